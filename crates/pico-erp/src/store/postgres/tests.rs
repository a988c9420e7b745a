//! What only a database does: several connections and nodes at a time, leases, roles, restarts. What it does as the file does is
//! in [`crate::store::suite`].

use std::collections::HashSet;
use std::time::{Duration, Instant};

use pico_erp_test_cluster::{Cluster, Options};

use super::fixture::{Database, terms};
use super::*;
use crate::json::Json;
use crate::orders::Units;
use crate::store::inbox_table::{Arrival, Claim, InboxTable as _, Key, Place, Received, Settlement, Source};
use crate::store::operation_table::OperationTable as _;
use crate::store::outbox_table::{
    Again, ClaimedOrder, Enqueued, NewOrder, OrderClaim, OrderKind, OrderSettlement, OutboxState,
    OutboxTable as _, Reason,
};

const VISIBLE: Duration = Duration::from_secs(3600);

fn report(order: &str, at: i64, serial: Option<&str>) -> Arrival {
    let key = Key { order_id: order.to_owned(), operation_id: "op".to_owned(), order_index: 0, at };
    let body = Json::from_value(&(order, at, serial)).unwrap();
    Arrival { key, serial: serial.map(str::to_owned), body, source: Source::Sse }
}

fn order(kind: OrderKind, id: &str, units: Units, request: Option<&str>) -> NewOrder {
    NewOrder {
        order_id: id.to_owned(),
        operation_id: "op".to_owned(),
        units,
        kind,
        input: "{}".to_owned(),
        request_id: request.map(str::to_owned),
    }
}

fn save(store: &mut Postgres, id: &str) -> i64 {
    match store.enqueue(&order(OrderKind::Save, id, Units::One(0), None), 0).unwrap() {
        Enqueued::New { id, .. } => id,
        Enqueued::Known { .. } => panic!("it has no request id"),
    }
}

fn sent() -> OrderSettlement {
    OrderSettlement::Sent { message: "created".to_owned() }
}

fn claim(store: &mut Postgres) -> Option<Place> {
    match store.claim(5, 0, VISIBLE).unwrap() {
        Claim::One(claimed) => Some(claimed.place()),
        Claim::Dead { .. } | Claim::Nothing { .. } => None,
    }
}

fn claim_orders(store: &mut Postgres, limit: usize) -> Vec<ClaimedOrder> {
    match store.claim_orders(limit, 0).unwrap() {
        OrderClaim::Single(order) => vec![order],
        OrderClaim::Batch(orders) => orders,
        OrderClaim::Nothing { .. } => Vec::new(),
    }
}

/// As the writer does it.
fn transact<T>(store: &mut Postgres, work: impl FnOnce(&mut Postgres) -> T) -> T {
    store.begin(Durability::Disk).unwrap();
    store.save_point().unwrap();
    store.enter("").unwrap();
    let done = work(store);
    store.keep().unwrap();
    store.commit().unwrap();
    done
}

#[test]
fn open_transactions_are_handed_different_completions_and_a_unit_keeps_its_order() {
    let database = Database::new();
    let (mut one, mut other) = (database.open(database.node()), database.open(database.node()));
    for arrival in [report("A", 1, None), report("A", 2, None), report("B", 1, None)] {
        one.receive(&arrival, 0).unwrap();
    }
    one.begin(Durability::Disk).unwrap();
    other.begin(Durability::Disk).unwrap();
    let first = claim(&mut one).unwrap();
    assert_eq!((first.id, claim(&mut other).map(|place| place.id)), (1, Some(3)));
    assert_eq!(claim(&mut other), None, "the other of A waits for the first");
    assert!(one.settle(first, &Settlement::Ack, 0).unwrap());
    assert_eq!(claim(&mut other), None, "the first is not settled for others yet");
    one.commit().unwrap();
    assert_eq!(claim(&mut other).map(|place| place.id), Some(2));
    other.commit().unwrap();
}

#[test]
fn open_transactions_are_handed_different_orders_and_a_key_keeps_its_order() {
    let database = Database::new();
    let (mut one, mut other) = (database.open(database.node()), database.open(database.node()));
    let ids: Vec<_> = (0..4).map(|number| save(&mut one, &format!("A{number}"))).collect();
    let taken = |orders: &[ClaimedOrder]| orders.iter().map(|order| order.id).collect::<Vec<_>>();
    one.begin(Durability::Disk).unwrap();
    other.begin(Durability::Disk).unwrap();
    let mine = claim_orders(&mut one, 2);
    assert_eq!(taken(&mine), ids[..2]);
    assert_eq!(taken(&claim_orders(&mut other, 50)), ids[2..], "no more were locked than taken");
    // One that is just being handed out is not superseded, and nobody waits for it.
    let later = save(&mut other, "A0");
    assert!(claim_orders(&mut other, 50).is_empty(), "the later one of A0 waits for the first");
    assert!(!other.drop_order(ids[0], 0).unwrap());
    other.commit().unwrap();
    assert_eq!(one.outbox_entry(ids[0]).unwrap().unwrap().state, OutboxState::Sending);
    assert!(one.settle_order(mine[0].place(), &sent(), 0).unwrap());
    assert!(claim_orders(&mut other, 50).is_empty(), "the first is not settled for others yet");
    one.commit().unwrap();
    assert_eq!(taken(&claim_orders(&mut other, 50)), [later]);
}

#[test]
fn what_a_node_that_is_gone_had_in_hand_is_taken_over_and_its_answers_are_refused() {
    let database = Database::new();
    let (dying, living) = (database.node(), database.node());
    let (mut one, mut other) = (database.open(dying), database.open(living));
    one.receive(&report("A", 1, None), 0).unwrap();
    save(&mut one, "A");
    let (completion, sending) = (claim(&mut one).unwrap(), claim_orders(&mut one, 50).remove(0));
    assert_eq!(claim(&mut other), None);
    assert!(claim_orders(&mut other, 50).is_empty());
    assert_eq!((other.recover().unwrap(), other.recover_orders().unwrap()), (0, 0));
    database.kill(dying);
    let taken = claim(&mut other).unwrap();
    assert_eq!(taken.id, completion.id);
    assert!(taken.fence > completion.fence);
    let resent = claim_orders(&mut other, 50).remove(0);
    assert_eq!((resent.id, resent.attempt), (sending.id, 2));
    assert!(resent.fence > sending.fence);
    assert!(resent.unsure && !sending.unsure);
    assert!(!one.settle(completion, &Settlement::Ack, 0).unwrap());
    assert!(!one.settle_order(sending.place(), &sent(), 0).unwrap());
    assert!(other.settle(taken, &Settlement::Ack, 0).unwrap());
    assert!(other.settle_order(resent.place(), &sent(), 0).unwrap());
    // Who took it over is who has it in the view.
    let shown = database.query("SELECT state, node IS NULL FROM completions");
    assert_eq!((shown[0].get::<_, String>(0).as_str(), shown[0].get(1)), ("acked", true));
}

#[test]
fn a_completion_that_is_not_settled_in_time_is_handed_out_again_and_a_late_answer_counts_until_then() {
    let database = Database::new();
    let (mut one, mut other) = (database.open(database.node()), database.open(database.node()));
    for order in ["A", "B"] {
        one.receive(&report(order, 1, None), 0).unwrap();
    }
    let mut hand_out = |visible| match one.claim(5, 0, visible).unwrap() {
        Claim::One(claimed) => claimed.place(),
        nothing => panic!("{nothing:?}"),
    };
    let (slow, late) = (hand_out(VISIBLE), hand_out(Duration::ZERO));
    assert_eq!((slow.id, late.id), (1, 2));
    // Its time is over, but nobody else was handed it.
    assert!(one.settle(late, &Settlement::Ack, 0).unwrap());
    match other.claim(5, 0, VISIBLE).unwrap() {
        // What waits for its time-out is due then, at the latest.
        Claim::Nothing { due: Some(due) } => assert!(due > 0 && due <= 3_600_000_000, "{due}"),
        other => panic!("{other:?}"),
    }
    assert!(one.extend(slow, Duration::ZERO).unwrap());
    let again = claim(&mut other).unwrap();
    assert_eq!(again.id, slow.id);
    assert!(again.fence > slow.fence);
    assert!(!one.extend(slow, VISIBLE).unwrap());
    assert!(!one.settle(slow, &Settlement::Ack, 0).unwrap());
    assert!(other.extend(again, VISIBLE).unwrap());
    assert_eq!(claim(&mut one), None);
}

#[test]
fn one_completion_that_two_nodes_receive_at_a_time_is_one_row() {
    let database = Database::new();
    let news = std::thread::scope(|scope| {
        let receivers = [true, false].map(|detailed| {
            let mut store = database.open(database.node());
            scope.spawn(move || {
                let mut news = 0;
                for number in 0..150 {
                    let serial = format!("S{number}");
                    let serial = (detailed || number % 2 == 0).then_some(serial.as_str());
                    let arrival = report(&format!("A{number}"), 1, serial);
                    let received = transact(&mut store, |store| store.receive(&arrival, 0).unwrap());
                    news += i32::from(received == Received::New);
                }
                news
            })
        });
        receivers.map(|receiver| receiver.join().unwrap()).iter().sum::<i32>()
    });
    let mut store = database.open(database.node());
    let entries = store.inbox_entries(None, 0, 1000).unwrap();
    assert_eq!((entries.len(), news), (150, 150));
    assert!(entries.iter().all(|entry| entry.produced_serial.is_some()), "the detail was lost");
}

#[test]
fn one_order_that_two_nodes_queue_at_a_time_is_one_row_and_numbers_are_seen_in_order() {
    let database = Database::new();
    let news = std::thread::scope(|scope| {
        let callers = [0, 1].map(|_| {
            let mut store = database.open(database.node());
            scope.spawn(move || {
                let (mut news, mut last) = (0, 0);
                for number in 0..150 {
                    let request = format!("r-{number}");
                    let order = order(OrderKind::Save, &request, Units::One(0), Some(&request));
                    let (queued, newest) = transact(&mut store, |store| {
                        let queued = store.enqueue(&order, 0).unwrap();
                        let entries = store.outbox_entries(None, last, 1000).unwrap();
                        (queued, entries.last().map_or(last, |entry| entry.id))
                    });
                    if let Enqueued::New { id, .. } = queued {
                        // Whatever came before it is in sight by now, and nothing comes in before it any more.
                        assert!(id == newest && id > last);
                        news += 1;
                    }
                    last = newest;
                }
                news
            })
        });
        callers.map(|caller| caller.join().unwrap()).iter().sum::<i32>()
    });
    let mut store = database.open(database.node());
    assert_eq!((store.outbox_entries(None, 0, 1000).unwrap().len(), news), (150, 150));
}

#[test]
fn nodes_that_work_side_by_side_hand_out_each_completion_once_and_a_unit_one_at_a_time() {
    const COUNT: i64 = 200;
    let database = Database::new();
    let deadline = Instant::now() + Duration::from_secs(120);
    let in_hand = Mutex::new(HashSet::new());
    let done = Mutex::new(HashMap::<String, Vec<i64>>::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let mut store = database.open(database.node());
            let (in_hand, done) = (&in_hand, &done);
            scope.spawn(move || {
                let mut received = 0;
                loop {
                    assert!(Instant::now() < deadline, "not all were handed out, or some twice");
                    let claimed = transact(&mut store, |store| {
                        // Every node is told of everything.
                        for number in received..(received + 10).min(COUNT) {
                            let arrival = report(&format!("A{}", number % 7), number, None);
                            store.receive(&arrival, 0).unwrap();
                        }
                        store.claim(5, 0, VISIBLE).unwrap()
                    });
                    received = (received + 10).min(COUNT);
                    let Claim::One(claimed) = claimed else {
                        if done.lock().unwrap().values().map(Vec::len).sum::<usize>() == 200 {
                            break;
                        }
                        continue;
                    };
                    let (unit, at, _): (String, i64, ()) =
                        serde_json::from_str(claimed.body.as_str()).unwrap();
                    assert!(in_hand.lock().unwrap().insert(unit.clone()), "{unit} is in two hands");
                    done.lock().unwrap().entry(unit.clone()).or_default().push(at);
                    in_hand.lock().unwrap().remove(&unit);
                    let acked = transact(&mut store, |store| {
                        store.settle(claimed.place(), &Settlement::Ack, 0).unwrap()
                    });
                    assert!(acked);
                }
            });
        }
    });
    for (unit, times) in done.into_inner().unwrap() {
        assert!(times.is_sorted_by(|one, other| one < other), "{unit}: {times:?}");
    }
}

#[test]
fn senders_on_several_nodes_never_have_two_orders_of_one_key_under_way() {
    const TURNS: u64 = 120;
    let database = Database::new();
    let in_hand: Mutex<Vec<(String, Units, i64)>> = Mutex::default();
    let alike = |one: &(String, Units, i64), other: &(String, Units, i64)| {
        one.0 == other.0 && (one.1 == other.1 || one.1 == Units::All || other.1 == Units::All)
    };
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let mut store = database.open(database.node());
            let (in_hand, mut random) = (&in_hand, fastrand::Rng::with_seed(thread));
            scope.spawn(move || {
                let mut mine: Vec<ClaimedOrder> = Vec::new();
                for _ in 0..TURNS {
                    let (id, index) = (format!("A{}", random.u8(0..2)), random.u32(0..3));
                    let units = if index == 2 { Units::All } else { Units::One(index) };
                    match random.u8(0..8) {
                        0..=2 => {
                            let (kind, units) = if random.u8(0..4) == 0 {
                                (OrderKind::Cancel, units)
                            } else {
                                (OrderKind::Save, Units::One(index))
                            };
                            let order = order(kind, &id, units, None);
                            transact(&mut store, |store| store.enqueue(&order, 0).unwrap());
                        }
                        // In one transaction, as a group has it.
                        3..=4 => {
                            let order = order(OrderKind::Save, &id, Units::One(index), None);
                            let claimed = transact(&mut store, |store| {
                                let claimed = claim_orders(store, random.usize(1..4));
                                store.enqueue(&order, 0).unwrap();
                                claimed
                            });
                            let keys = transact(&mut store, |store| {
                                let key = |order: &ClaimedOrder| {
                                    let entry = store.outbox_entry(order.id).unwrap().unwrap();
                                    (entry.external_order_id, entry.units, entry.id)
                                };
                                claimed.iter().map(key).collect::<Vec<_>>()
                            });
                            let mut in_hand = in_hand.lock().unwrap();
                            for key in keys {
                                let twice = in_hand.iter().find(|held| alike(held, &key));
                                assert!(twice.is_none(), "{key:?} and {twice:?} are under way");
                                in_hand.push(key);
                            }
                            mine.extend(claimed);
                        }
                        5 => {
                            transact(&mut store, |store| store.retry_failed_orders().unwrap());
                        }
                        _ => {
                            let settlement = match random.u8(0..3) {
                                0 => OrderSettlement::Failed(Reason {
                                    code: 500,
                                    text: "no".to_owned(),
                                    graphql_errors: None,
                                }),
                                1 => OrderSettlement::Retry {
                                    again: Again::Queued,
                                    reason: None,
                                    alone: false,
                                    unsure: false,
                                    counts: true,
                                },
                                _ => sent(),
                            };
                            let Some(order) = mine.pop() else { continue };
                            in_hand.lock().unwrap().retain(|held| held.2 != order.id);
                            let settled = transact(&mut store, |store| {
                                store.settle_order(order.place(), &settlement, 0).unwrap()
                            });
                            assert!(settled);
                        }
                    }
                }
            });
        }
    });
    let mut store = database.open(database.node());
    let counts = store.outbox_counts().unwrap();
    assert!(counts.sent > 0 && counts.superseded > 0, "{counts:?}");
    // All that has been queued and not settled is still there.
    assert_eq!(counts.sending as usize, in_hand.lock().unwrap().len());
}

#[test]
fn eight_that_open_an_empty_database_at_a_time_make_its_tables_once() {
    let database = Database::empty();
    std::thread::scope(|scope| {
        let openings = [(); 8].map(|()| scope.spawn(|| Database::migrate(&database, false)));
        for opening in openings {
            opening.join().unwrap().unwrap();
        }
    });
    assert_eq!(database.query("SELECT steps FROM version").len(), 1);
    save(&mut database.open(database.node()), "A");
}

#[test]
fn a_store_that_must_exist_and_does_not_names_its_schema_and_makes_nothing() {
    let database = Database::empty();
    let error = database.migrate(true).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().contains(&format!("\"{}\"", database.schema())), "{error}");
    let made = database.query(&format!("SELECT 1 FROM pg_namespace WHERE nspname = '{}'", database.schema()));
    assert!(made.is_empty());
}

#[test]
fn tables_of_a_newer_library_are_left_alone() {
    let database = Database::new();
    database.run("UPDATE version SET steps = 1000");
    for must_exist in [false, true] {
        let error = database.migrate(must_exist).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StoreVersion, "{error}");
    }
}

#[test]
fn a_role_that_may_only_read_and_write_rows_is_enough_where_the_tables_are() {
    let database = Database::new();
    let (schema, role) = (database.schema(), format!("{}_app", database.schema()));
    database.run(&format!(
        "CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA {schema} TO {role}; \
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}"
    ));
    let (_, rest) = database.url().split_once('@').unwrap();
    let url = format!("postgres://{role}@{rest}");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for must_exist in [true, false] {
        let terms = terms(&url, VISIBLE);
        runtime
            .block_on(async {
                let (mut client, _) = terms.connect(|_| {}).await?;
                schema::migrate(&mut client, &terms.address, must_exist).await
            })
            .unwrap();
    }
    let mut store = database.open_as(&url, database.node(), VISIBLE).unwrap();
    transact(&mut store, |store| {
        store.receive(&report("A", 1, None), 0).unwrap();
        let place = claim(store).unwrap();
        assert!(store.settle(place, &Settlement::Ack, 0).unwrap());
        store.advance(Source::Sse, 1, 1, 0).unwrap();
        store.set_note("a", "b").unwrap();
        save(store, "A");
        let sending = claim_orders(store, 1).remove(0);
        assert!(store.settle_order(sending.place(), &sent(), 0).unwrap());
        assert_eq!((store.expire_inbox(9, 9).unwrap(), store.expire_outbox(9, 9).unwrap()), (1, 1));
        assert_eq!(store.operation_count().unwrap(), 0);
    });
    drop(store);
    // One that may not even that is told so.
    database.run(&format!("REVOKE INSERT ON inbox FROM {role}"));
    let mut store = database.open_as(&url, database.node(), VISIBLE).unwrap();
    let error = store.receive(&report("B", 1, None), 0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StoreReadOnly, "{error}");
    drop(store);
    database.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[test]
fn a_database_that_restarts_between_transactions_is_connected_to_again() {
    let cluster = Cluster::start(Options::default());
    let database = Database::at(format!("{}?sslmode=disable&schema=plants", cluster.database()));
    database.migrate(false).unwrap();
    let mut store = database.open(database.node());
    transact(&mut store, |store| store.set_note("a", "1").unwrap());
    cluster.restart();
    transact(&mut store, |store| store.set_note("b", "2").unwrap());
    // In the middle of one, what was begun is lost, and said to be.
    store.begin(Durability::Disk).unwrap();
    store.set_note("c", "3").unwrap();
    cluster.kill_hard();
    cluster.restart();
    let error = store.commit().unwrap_err();
    assert!(error.kind() == ErrorKind::Store && error.is_retryable(), "{error}");
    store.roll_back();
    let notes = transact(&mut store, |store| ["a", "b", "c"].map(|name| store.note(name).unwrap()));
    assert_eq!(notes.map(|note| note.is_some()), [true, true, false]);
}

#[test]
fn a_process_that_is_stopped_in_a_transaction_does_not_keep_the_others_from_their_work() {
    let database = Database::new();
    let silent = Duration::from_millis(500);
    let mut stopped = database.open_as(database.url(), database.node(), silent).unwrap();
    stopped.begin(Durability::Disk).unwrap();
    assert_eq!(stopped.receive(&report("A", 1, None), 0).unwrap(), Received::New);
    // Waits for the lock, until the server ends the silent one.
    let mut other = database.open(database.node());
    let received = transact(&mut other, |other| other.receive(&report("A", 1, None), 0).unwrap());
    assert_eq!(received, Received::New);
    // It comes to itself again, and is told.
    stopped.commit().unwrap_err();
    stopped.roll_back();
    let received = transact(&mut stopped, |stopped| stopped.receive(&report("A", 1, None), 0).unwrap());
    assert_eq!(received, Received::Known);
}

#[test]
fn the_views_say_what_the_numbers_mean() {
    let database = Database::new();
    let mut store = database.open(database.node());
    store.receive(&report("A", 1_000_000, None), 0).unwrap();
    store.enqueue(&order(OrderKind::Cancel, "A", Units::All, None), 0).unwrap();
    let shown = database.query("SELECT plant, state, extract(epoch FROM at)::bigint FROM completions");
    let shown: (String, String, i64) = (shown[0].get(0), shown[0].get(1), shown[0].get(2));
    assert_eq!(shown, (String::new(), "ready".to_owned(), 1));
    let shown = database.query("SELECT kind, order_index, state FROM orders");
    let shown: (String, String, String) = (shown[0].get(0), shown[0].get(1), shown[0].get(2));
    assert_eq!(shown, ("cancel".to_owned(), "all".to_owned(), "queued".to_owned()));
    assert!(database.query("SELECT * FROM catalogue").is_empty());
    assert!(database.query("SELECT * FROM roles").is_empty());
}

#[test]
fn claims_are_found_by_index_however_many_are_settled_or_ready() {
    let database = Database::new();
    // Ten plants: a thousand of each settled, a hundred ready.
    database.run(
        "INSERT INTO inbox (plant, order_id, operation_id, order_index, at_us, state, source, arrived_us, settled_us, body) \
         SELECT n % 10, 'A' || n, 'op', 0, 1, CASE WHEN n > 10000 THEN 0 ELSE 3 END, 'sse', 1, 1, '{}' \
         FROM generate_series(1, 11000) n; \
         INSERT INTO outbox (plant, order_id, operation_id, order_index, kind, input, state, queued_us, settled_us) \
         SELECT n % 10, 'A' || n, 'op', 0, 0, '{}', CASE WHEN n > 10000 THEN 0 ELSE 3 END, 1, 1 \
         FROM generate_series(1, 11000) n; \
         ANALYZE inbox; ANALYZE outbox; SET plan_cache_mode = force_generic_plan",
    );
    database.run(&format!("PREPARE inbox (bigint, bigint, int, bigint, float8) AS {}", *inbox::CLAIM));
    database.run(&format!("PREPARE outbox (bigint, bigint, bigint, bigint) AS {}", *outbox::CLAIM));
    for (table, call) in [("inbox", "inbox (5, 0, 5, 1, 60)"), ("outbox", "outbox (5, 0, 50, 1)")] {
        let rows = database.query(&format!("EXPLAIN EXECUTE {call}"));
        let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        let plan = plan.join("\n");
        let ready = if table == "inbox" { "inbox_ready" } else { "outbox_queued" };
        assert!(plan.contains(ready), "{plan}");
        assert!(!plan.contains(&format!("Seq Scan on {table}")), "{plan}");
        // Whatever is sorted is looked at to the end.
        assert!(!plan.contains("Sort Key: inbox") && !plan.contains("Sort Key: outbox"), "{plan}");
    }
}
