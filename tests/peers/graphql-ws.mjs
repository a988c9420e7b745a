// The graphql-ws server with Pico's schema: streams over WebSocket only. Queries and mutations go over the socket as
// well, or over HTTP by graphql-http, which knows no subscriptions. How to start it is in peer.mjs.

import { createHandler } from 'graphql-http/lib/use/http';
import { listen, schemaPath } from './peer.mjs';
import { picoSchema } from './pico.mjs';
import { serveSockets } from './socket.mjs';

const schema = picoSchema(schemaPath);
serveSockets(listen(createHandler({ schema })), { schema });
