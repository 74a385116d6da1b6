"""The shop's API: products, carts and orders over HTTP, for the page that `web` serves."""
