// The graphql-sse handler with Pico's schema, in its distinct connections mode: one connection for each stream, and
// nothing but `Accept: text/event-stream` asks for one. The rest goes to graphql-http, because the handler answers
// nothing but event streams. How to start it is in peer.mjs.

import { createHandler as createPlainHandler } from 'graphql-http/lib/use/http';
import { createHandler } from 'graphql-sse/lib/use/http';
import { listen, schemaPath } from './peer.mjs';
import { picoSchema } from './pico.mjs';

const schema = picoSchema(schemaPath);
const plain = createPlainHandler({ schema });
// `null` for the token of a stream switches the library's single connection mode off.
const streams = createHandler({ schema, authenticate: () => null });

listen((request, response) => {
  const handle = request.headers.accept?.includes('text/event-stream') ? streams : plain;
  handle(request, response).catch((error) => {
    console.error(error);
    response.destroy();
  });
});
