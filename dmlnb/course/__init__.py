"""The course's own apparatus: plots, toys, checks, demos, recipes and stored results. The library never imports it."""
