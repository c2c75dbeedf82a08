"""How a person logs in: in the browser, by hand, by a code on another device, or through a web back end."""
