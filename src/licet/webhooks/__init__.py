"""Events out: endpoints, delivery, what a host acknowledged."""
