"""The ground floor: small tools that know nothing of generators, regions or directions."""
