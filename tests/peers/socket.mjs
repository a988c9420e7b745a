// The WebSocket side of the peers that have one: the graphql-ws library on the path of a HTTP server. It takes only
// the sub-protocol graphql-transport-ws, and pings by WebSocket's own frames, not by messages.

import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';
import { TOKEN, admits, path } from './peer.mjs';

/** Adds it to the server; `options` are those of graphql-ws that say what is served. */
export function serveSockets(server, options) {
  const sockets = new WebSocketServer({ server, path });
  useServer(
    {
      ...options,
      // The library closes with "4403: Forbidden" on `false`.
      onConnect: ({ connectionParams, extra }) =>
        admits(connectionParams?.[TOKEN]) || admits(extra.request.headers[TOKEN]),
    },
    sockets,
  );
}
