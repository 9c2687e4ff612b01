"""A workspace full of believable work, told through the services: nothing is inserted as already finished."""
