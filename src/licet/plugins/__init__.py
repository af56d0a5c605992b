"""Code that runs inside other programs and sends to Licet: of Licet it imports only `licet.host`,
`licet.client` and `licet.errors`.
"""
