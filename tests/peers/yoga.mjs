// The graphql-yoga server with Pico's schema. Streams go over SSE as yoga frames them (one connection for each,
// `event: next`, `event: complete`), or over WebSocket by graphql-ws on the same path. How to start it is in peer.mjs.

import { NoSchemaIntrospectionCustomRule } from 'graphql';
import { createYoga } from 'graphql-yoga';
import { listen, path, schemaPath } from './peer.mjs';
import { picoSchema } from './pico.mjs';
import { serveSockets } from './socket.mjs';

// What yoga's own plugin for it does.
const hidden = { onValidate: ({ addValidationRule }) => addValidationRule(NoSchemaIntrospectionCustomRule) };

const yoga = createYoga({
  graphqlEndpoint: path,
  plugins: process.env.PEER_INTROSPECTION === 'off' ? [hidden] : [],
  schema: picoSchema(schemaPath),
  graphiql: false,
  landingPage: false,
  logging: 'warn',
  maskedErrors: false,
});

// As yoga's documentation joins the two: graphql-ws has a request run by yoga's own functions, plugins included.
serveSockets(listen(yoga), {
  execute: (args) => args.execute(args),
  subscribe: (args) => args.subscribe(args),
  onSubscribe: async (context, _id, params) => {
    const enveloped = yoga.getEnveloped({
      ...context,
      req: context.extra.request,
      socket: context.extra.socket,
      params,
    });
    const { schema, parse, validate, contextFactory, execute, subscribe } = enveloped;
    const document = parse(params.query);
    const errors = validate(schema, document);
    if (errors.length > 0) {
      return errors;
    }
    return {
      schema,
      document,
      operationName: params.operationName,
      variableValues: params.variables,
      contextValue: await contextFactory(),
      execute,
      subscribe,
    };
  },
});
