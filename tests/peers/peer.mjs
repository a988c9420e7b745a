// What the peers have in common as programs: the command line, the token, where they listen, when they end. They know
// their GraphQL server, this does not.
//
//     node PEER.mjs SCHEMA.graphql [TOKEN]
//
// It prints `listening http://127.0.0.1:PORT/graphql`, and ends when its standard input does, so that a test that dies
// takes it along. A test that restarts a peer asks by the variable PORT for the port that it had. Further variables:
//
//     PEER_EXTENSION=FILE        what a newer generation of Pico's API adds to the schema
//     PEER_PATH=/graph/v2        serve it there and not at /graphql (yoga only)
//     PEER_INTROSPECTION=off     do not show the schema (yoga only)
//     PEER_LEGACY_WEBHOOKS=on    take webhooks as older pages of Pico's show it

import { createServer } from 'node:http';

/** The header, and the field of `connection_init`, that carries the token. */
export const TOKEN = 'x-pico-api-org';

const [schema, token] = process.argv.slice(2);
if (!schema) {
  console.error(`usage: node ${process.argv[1]} SCHEMA.graphql [TOKEN]`);
  process.exit(2);
}

/** The schema's file. */
export const schemaPath = schema;

/** Where it is served. */
export const path = process.env.PEER_PATH ?? '/graphql';

/** Whether that is the token; without one on the command line anything is. */
export function admits(given) {
  return !token || given === token;
}

/** Serves HTTP; a request without the token is turned away before GraphQL sees it. */
export function listen(handle) {
  const server = createServer((request, response) => {
    if (admits(request.headers[TOKEN])) {
      handle(request, response);
      return;
    }
    response.writeHead(401, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ errors: [{ message: `${TOKEN} is missing or wrong` }] }));
  });
  server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => {
    console.log(`listening http://127.0.0.1:${server.address().port}${path}`);
  });
  return server;
}

process.stdin.on('end', () => process.exit(0));
process.stdin.on('error', () => process.exit(0));
process.stdin.resume();
