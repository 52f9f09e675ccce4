"""The GraphQL edge: types, inputs, payloads, resolvers, data loaders and the endpoint."""
