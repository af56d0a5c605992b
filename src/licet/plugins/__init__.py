"""What runs inside other programs and sends to Licet: it imports `licet.client` and `licet.errors`, nothing else of ours."""
