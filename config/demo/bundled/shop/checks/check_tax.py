import unittest

from shop.tax import tax_included


class CheckTax(unittest.TestCase):
    def test_tax_is_part_of_the_total(self):
        self.assertEqual(tax_included(11900, "DE"), 1900)

    def test_half_a_cent_goes_up(self):
        self.assertEqual(tax_included(3, "AT"), 1)
