// Pico's schema with a handful of objects behind it: what all peers serve. It is not the sandbox: it can do no more
// than the tests of the peers ask for.

import { EventEmitter, on } from 'node:events';
import { readFileSync } from 'node:fs';
import { GraphQLError, buildSchema } from 'graphql';

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
const notes = [];
const webhooks = new Map();
const events = new EventEmitter();
events.setMaxListeners(0);

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
    reservedSerialNumber: `R-${completes.length + 1}`,
    secondaryExternalOrderId: null,
  };
  completes.push(event);
  events.emit('completes', event);
  const note = { seq: notes.length + 1, at, id: `note-${notes.length + 1}`, externalId: '', text: 'done', eventType: 'new' };
  notes.push(note);
  events.emit('notes', note);
}

/** What happens on `topic` from now on, as far as it fits the filter. */
function follow(topic, where) {
  const happening = on(events, topic);
  return {
    async next() {
      for (;;) {
        const { value, done } = await happening.next();
        if (done || matches(where, value[0])) {
          return { value: value?.[0], done };
        }
      }
    },
    // By hand and not as an async generator, which would end only with the event after the last one wanted.
    return: () => happening.return(),
    throw: (error) => happening.throw(error),
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

/** A subscription field that passes on what happens on `topic`. */
function stream(topic) {
  return { subscribe: (_, { where }) => follow(topic, where), resolve: (event) => event };
}

const resolvers = {
  Query: {
    operations: (_, { where }) => operations.filter((item) => matches(where, item)),
    subOperations: (_, { where }) => subOperations.filter((item) => matches(where, item)),
    operationOrderCompletes: (_, { where }) => completes.filter((item) => matches(where, item)),
    noteEvents: () => notes,
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
        __typename: 'SubscriptionHandle',
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
      events.emit('operations', made);
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

/** The schema with webhooks as older pages of Pico's show it. */
function withLegacyWebhooks(text) {
  return text
    .replaceAll('SubscribeRequestInput', 'SubscribeRequest_Input')
    .replace('SubscribeRequest_Input!): SubscriptionHandle', 'SubscribeRequest_Input!): webhookSubscribe_response')
    .concat('union webhookSubscribe_response = SubscriptionHandle | OperationOrderResult');
}

/** Pico's schema, read from a file, with these resolvers for what it has. */
export function picoSchema(path) {
  const files = [path, process.env.PEER_EXTENSION].filter(Boolean);
  const text = files.map((file) => readFileSync(file, 'utf8')).join('\n');
  const schema = buildSchema(process.env.PEER_LEGACY_WEBHOOKS === 'on' ? withLegacyWebhooks(text) : text);
  for (const [type, fields] of Object.entries(resolvers)) {
    const known = schema.getType(type).getFields();
    for (const [name, field] of Object.entries(fields).filter(([name]) => name in known)) {
      Object.assign(known[name], typeof field === 'function' ? { resolve: field } : field);
    }
  }
  return schema;
}
