// A graphql-yoga server with Pico's schema: the peer that proves that pico-erp works with a server nobody
// here wrote. It is not the sandbox: its data are a handful of objects, and it can do no more than the tests
// of it ask for.
//
//     node server.mjs SCHEMA.graphql [TOKEN]
//
// It prints `listening http://127.0.0.1:PORT/graphql`, and ends when its standard input does, so that a test
// that dies takes it along. With a TOKEN, every request must carry it in the header x-pico-api-org. Streams
// go over SSE as yoga frames them: one connection for each, `event: next`, `event: complete`.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { GraphQLError } from 'graphql';
import { createPubSub, createSchema, createYoga } from 'graphql-yoga';

const [schemaPath, token] = process.argv.slice(2);
if (!schemaPath) {
  console.error('usage: node server.mjs SCHEMA.graphql [TOKEN]');
  process.exit(2);
}

/** How long after a save its order counts as completed. */
const COMPLETION_DELAY_MS = 50;

const operations = [
  operation('op-housing', 'PN-1000', 'A', 'Housing'),
  operation('op-gearbox', 'PN-2000', 'B', 'Gearbox', [{ id: 'attr-1', externalId: 'PN-2001', value: null }]),
  operation('op-motor', 'PN-3000', null, 'Motor'),
];
const subOperations = [
  { parentId: 'op-gearbox', subId: 'op-housing', subGroup: 0, updatedAt: '2025-01-15T10:00:00.000Z' },
];
/** Orders not yet completed, by `keyOf`. */
const orders = new Map();
const completes = [];
const webhooks = new Map();
const events = createPubSub();

function operation(id, externalId, externalRevision, name, consumedSerials = []) {
  return {
    id,
    externalId,
    externalRevision,
    externalCodes: externalId.split('|'),
    name,
    templateID: null,
    variantName: null,
    consumedSerials,
    updatedAt: '2025-01-15T10:00:00.000Z',
    archivedAt: null,
  };
}

function keyOf(externalOrderId, operationId, orderIndex) {
  return JSON.stringify([externalOrderId, operationId, orderIndex ?? 0]);
}

function findOperation(id) {
  const found = operations.find((candidate) => candidate.id === id);
  if (!found) {
    throw new GraphQLError(`unknown operation ${id}`, { extensions: { code: 'NOT_FOUND' } });
  }
  return found;
}

/** Whether an object passes a filter: `{ field: { _eq: value } }`, nested for objects, all fields to hold. */
function matches(filter, object) {
  return Object.entries(filter ?? {}).every(([name, condition]) => {
    if (name === '_eq') {
      return object === condition;
    }
    return condition == null || matches(condition, object?.[name]);
  });
}

function complete(key) {
  const order = orders.get(key);
  if (!order || !order.externalOrderId) {
    return;
  }
  orders.delete(key);
  const at = new Date().toISOString();
  const event = {
    externalOrderId: order.externalOrderId,
    operation: findOperation(order.operationId),
    orderIndex: order.orderIndex,
    at,
    operationSummary: {
      startedAt: order.savedAt,
      consumedSerials: [{ id: 'attr-1', externalId: 'PN-2001', value: `C-${completes.length + 1}` }],
    },
    endState: { producedSerial: `SN-${completes.length + 1}` },
    reservedSerialNumber: null,
    secondaryExternalOrderId: null,
  };
  completes.push(event);
  events.publish('completes', event);
}

/** A subscription field that passes on what is published on `topic` and fits the filter. */
function stream(topic) {
  return {
    subscribe: async function* (_, { where }) {
      for await (const event of events.subscribe(topic)) {
        if (matches(where, event)) {
          yield event;
        }
      }
    },
    resolve: (event) => event,
  };
}

const resolvers = {
  Query: {
    operations: (_, { where }) => operations.filter((item) => matches(where, item)),
    subOperations: (_, { where }) => subOperations.filter((item) => matches(where, item)),
    operationOrderCompletes: (_, { where }) => completes.filter((item) => matches(where, item)),
    noteEvents: () => [],
    webhookSubscriptions: () => [...webhooks.values()],
  },
  Mutation: {
    operationOrderSave: (_, { input }) => {
      findOperation(input.operationId);
      const orderIndex = input.orderIndex ?? 0;
      const key = keyOf(input.externalOrderId ?? `anonymous-${orders.size}`, input.operationId, orderIndex);
      const known = orders.has(key);
      orders.set(key, { ...input, orderIndex, savedAt: new Date().toISOString() });
      if (!known) {
        setTimeout(complete, COMPLETION_DELAY_MS, key);
      }
      return { message: known ? 'updated' : 'created' };
    },
    operationOrderCancel: (_, { input }) => {
      const index = input.orderIndex ?? 0;
      const found = [...orders].filter(
        ([, order]) =>
          order.externalOrderId === input.externalOrderId &&
          order.operationId === input.operationId &&
          (input.cancelAll || order.orderIndex === index),
      );
      if (found.length === 0) {
        throw new GraphQLError('no order to cancel');
      }
      found.forEach(([key]) => orders.delete(key));
      return { message: 'canceled' };
    },
    webhookSubscribe: (_, { input }) => {
      const handle = {
        subscriptionId: input.subscriptionID,
        responseFragment: input.responseFragment,
        webhookUrl: input.webhookUrl,
        createdAt: new Date().toISOString(),
        lastEventAt: null,
      };
      webhooks.set(handle.subscriptionId, handle);
      return handle;
    },
    webhookUnsubscribe: (_, { subscriptionId }) => {
      const success = webhooks.delete(subscriptionId);
      return { success, subscriptionId, message: success ? 'Subscription cancelled' : 'Unknown subscription' };
    },
    processCreate: (_, { input }) => {
      const { id, name } = input.process;
      const made = operation(id, id, null, name);
      operations.push(made);
      events.publish('operations', made);
      return { id };
    },
  },
  Subscription: {
    operationsStream: stream('operations'),
    subOperationsStream: stream('subOperations'),
    operationOrderCompletesStream: stream('completes'),
    noteEventsStream: stream('notes'),
  },
};

/** Turns away what does not carry the token, before GraphQL sees it. */
const tokenCheck = {
  onRequest({ request, fetchAPI, endResponse }) {
    if (token && request.headers.get('x-pico-api-org') !== token) {
      const body = JSON.stringify({ errors: [{ message: 'x-pico-api-org is missing or wrong' }] });
      endResponse(new fetchAPI.Response(body, { status: 401, headers: { 'content-type': 'application/json' } }));
    }
  },
};

const yoga = createYoga({
  schema: createSchema({ typeDefs: readFileSync(schemaPath, 'utf8'), resolvers }),
  plugins: [tokenCheck],
  graphiql: false,
  landingPage: false,
  logging: 'warn',
  maskedErrors: false,
});

const server = createServer(yoga);
// A test that restarts the server asks for the port that it had.
server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => {
  console.log(`listening http://127.0.0.1:${server.address().port}/graphql`);
});

process.stdin.on('end', () => process.exit(0));
process.stdin.on('error', () => process.exit(0));
process.stdin.resume();
