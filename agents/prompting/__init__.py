"""Work done by a language model: which one, asked how, with which tools. See `docs/model-runtime.md`.

Nothing here loads the client library before a model is asked: it costs a second and 100 MB.
"""
