"""The course's own apparatus: plots, checks, demos, recipes and stored results. The library never imports it."""
