"""Measurements. They print rates; tests never assert them."""
