//! The feed against the sandbox: what is lost by every live source still arrives, what is acknowledged never comes
//! again, and what goes wrong at the store or the consumer holds nothing else up.

use std::time::Duration;

use pico_erp::{
    Backoff, Client, Delivery, ErrorKind, Feed, FeedNotice, FeedPolicy, FeedStart, InboxState, OrderSave,
    Proxy, Source, Store, StreamPolicy, StreamTransport, WebhookSubscribe,
};
use pico_erp_sandbox::{CompletionSpec, Config, NoteSpec, Sandbox, Time, Waits, WebhookPosts};

use super::Ground;
use crate::waiting::{DEADLINE, within};

const INSTANT: Duration = Duration::from_micros(1);
const OPERATION: &str = "op-abc-123";

fn client(sandbox: &Sandbox, transport: StreamTransport) -> Client {
    let stream = StreamPolicy {
        transport,
        backoff: Backoff { base: INSTANT, cap: Duration::from_millis(5) },
        ..StreamPolicy::default()
    };
    Client::builder(sandbox.endpoint()).proxy(Proxy::None).stream(stream).build().unwrap()
}

async fn sandbox() -> Sandbox {
    Sandbox::start(Config::default()).await.unwrap()
}

fn policy() -> FeedPolicy {
    FeedPolicy { backoff: Backoff { base: INSTANT, cap: INSTANT }, ..FeedPolicy::default() }
}

async fn feed(client: &Client, store: &Store, policy: FeedPolicy) -> Feed {
    let feed = Feed::builder(client, store).policy(policy).start().await.unwrap();
    within(feed.opened()).await.unwrap();
    feed
}

async fn save(client: &Client, order: &str) {
    within(client.save_order(&OrderSave::new(OPERATION, order))).await.unwrap();
}

async fn complete(client: &Client, sandbox: &Sandbox, order: &str) {
    save(client, order).await;
    sandbox.complete(CompletionSpec::new(order)).unwrap();
}

async fn next(feed: &Feed) -> Delivery {
    within(feed.next()).await.expect("the feed goes on").unwrap()
}

async fn ack_next(feed: &Feed) -> String {
    let delivery = next(feed).await;
    let order = delivery.completion().external_order_id.clone();
    delivery.ack().await.unwrap();
    order
}

async fn ack_sorted(feed: &Feed, count: usize) -> Vec<String> {
    let mut orders = Vec::new();
    for _ in 0..count {
        orders.push(ack_next(feed).await);
    }
    orders.sort();
    orders
}

/// Asserts that nothing is left to hand out, after one more catch-up.
async fn assert_quiet(feed: &Feed) {
    let mut notices = feed.notices();
    feed.catch_up();
    let listed = within(async {
        loop {
            if let FeedNotice::CaughtUp(caught_up) = notices.next().await.unwrap() {
                break caught_up;
            }
        }
    })
    .await;
    assert_eq!(listed.found, 0);
    let inbox = feed.status().await.unwrap().inbox;
    assert_eq!((inbox.ready, inbox.waiting, inbox.handed_out), (0, 0, 0), "{inbox:?}");
}

#[tokio::test]
async fn completions_come_once_each_over_every_transport_and_a_restart_brings_what_was_not_acknowledged() {
    for (transport, source) in
        [(StreamTransport::Sse, Source::Sse), (StreamTransport::WebSocket, Source::WebSocket)]
    {
        let (sandbox, place) = (sandbox().await, Ground::new().await);
        let client = client(&sandbox, transport);
        let store = place.open().await;
        let first = feed(&client, &store, policy()).await;
        complete(&client, &sandbox, "A").await;
        complete(&client, &sandbox, "B").await;
        let delivery = next(&first).await;
        assert_eq!((delivery.source(), delivery.attempt()), (source, 1));
        assert_eq!(delivery.completion().external_order_id, "A");
        delivery.ack().await.unwrap();
        let held = next(&first).await;
        assert_eq!(held.completion().external_order_id, "B");
        let key = held.key();
        // As when the process dies with B in its hands: nothing is told to the store any more.
        std::mem::forget(held);
        first.close(Duration::ZERO).await;
        assert!(within(first.next()).await.is_none());

        complete(&client, &sandbox, "C").await;
        let second = feed(&client, &store, policy()).await;
        let again = next(&second).await;
        assert_eq!((again.key(), again.attempt()), (key, 2));
        again.ack().await.unwrap();
        let missed = next(&second).await;
        assert_eq!((missed.completion().external_order_id.as_str(), missed.source()), ("C", Source::CatchUp));
        missed.ack().await.unwrap();
        assert_quiet(&second).await;
    }
}

#[tokio::test]
async fn what_happens_while_the_connection_is_down_is_caught_up_after_it() {
    let (sandbox, place) = (sandbox().await, Ground::new().await);
    let client = client(&sandbox, StreamTransport::Sse);
    let feed = feed(&client, &place.open().await, policy()).await;
    for round in 0..3 {
        save(&client, &format!("{round}-silent")).await;
        sandbox.complete(CompletionSpec::new(format!("{round}-silent")).silent()).unwrap();
        sandbox.cut_connections();
        complete(&client, &sandbox, &format!("{round}-after")).await;
        assert_eq!(ack_sorted(&feed, 2).await, [format!("{round}-after"), format!("{round}-silent")]);
    }
    assert_quiet(&feed).await;
}

#[tokio::test]
async fn catch_ups_that_are_asked_for_all_the_time_hold_nothing_up() {
    let (sandbox, place) = (sandbox().await, Ground::new().await);
    let client = client(&sandbox, StreamTransport::Sse);
    let feed = feed(&client, &place.open().await, policy()).await;
    let mut notices = feed.notices();
    let asks = async {
        loop {
            feed.catch_up();
            notices.next().await.unwrap();
        }
    };
    let books = async {
        for round in 0..5 {
            sandbox.cut_connections();
            let order = format!("{round}");
            complete(&client, &sandbox, &order).await;
            assert_eq!(ack_next(&feed).await, order);
        }
    };
    tokio::select! {
        () = asks => {}
        () = books => {}
        // A feed holds completions back for longer than that when it never stops to catch up.
        () = tokio::time::sleep(Duration::from_secs(15)) => panic!("{:?}", feed.status().await),
    }
}

#[tokio::test]
async fn one_completion_by_stream_webhook_twice_and_catch_up_at_once_is_handed_out_once() {
    let (sandbox, place) = (sandbox().await, Ground::new().await);
    sandbox.set_webhook_posts(WebhookPosts::Twice);
    let client = client(&sandbox, StreamTransport::Sse);
    let feed = feed(&client, &place.open().await, policy()).await;
    let receiver = feed.receiver().secret_header("x-secret", "s3cret").start().await.unwrap();
    let url = format!("http://{}{}", receiver.local_addr(), receiver.url_path());
    let webhook = WebhookSubscribe::order_completes("erp", url).header("x-secret", "s3cret");
    let keeper = feed.keep_webhook(webhook, pico_erp::KeeperPolicy::default()).unwrap();
    within(keeper.check_now()).await;
    for number in 0..20 {
        complete(&client, &sandbox, &format!("{number:02}")).await;
        feed.catch_up();
    }
    let expected: Vec<String> = (0..20).map(|number| format!("{number:02}")).collect();
    assert_eq!(ack_sorted(&feed, 20).await, expected);
    sandbox.wait_for(Waits { deliveries: 40, ..Waits::default() }, DEADLINE).await.unwrap();
    assert!(sandbox.deliveries().iter().all(|delivery| delivery.delivered));
    assert_quiet(&feed).await;
    let heard = feed.status().await.unwrap().watermarks;
    let reports = |source| heard.iter().find(|mark| mark.source == source).map_or(0, |mark| mark.reports);
    assert_eq!((reports(Source::Webhook), reports(Source::Sse)), (40, 20));
    within(keeper.close(DEADLINE)).await.unwrap();
    within(receiver.close(DEADLINE)).await.unwrap();
}

#[tokio::test]
async fn webhooks_alone_are_enough_and_a_registration_that_pico_lost_is_repaired_and_caught_up() {
    let (sandbox, place) = (sandbox().await, Ground::new().await);
    let client = client(&sandbox, StreamTransport::Sse);
    let feed = feed(&client, &place.open().await, FeedPolicy { live: false, ..policy() }).await;
    let receiver = feed.receiver().start().await.unwrap();
    let url = format!("http://{}{}", receiver.local_addr(), receiver.url_path());
    let webhook = WebhookSubscribe::order_completes("erp", url);
    let keeper = feed.keep_webhook(webhook, pico_erp::KeeperPolicy::default()).unwrap();
    within(keeper.check_now()).await;
    complete(&client, &sandbox, "posted").await;
    let delivery = next(&feed).await;
    assert_eq!(delivery.source(), Source::Webhook);
    delivery.ack().await.unwrap();
    assert!(sandbox.forget_webhook("erp"));
    complete(&client, &sandbox, "not posted").await;
    within(keeper.check_now()).await;
    let delivery = next(&feed).await;
    assert_eq!(
        (delivery.completion().external_order_id.as_str(), delivery.source()),
        ("not posted", Source::CatchUp)
    );
    delivery.ack().await.unwrap();
    complete(&client, &sandbox, "posted again").await;
    assert_eq!(ack_next(&feed).await, "posted again");
    assert_eq!(sandbox.open_streams().sse, 0);
}

#[tokio::test]
async fn a_unit_with_two_serials_is_two_completions_in_the_order_of_their_times() {
    let (sandbox, place) = (sandbox().await, Ground::new().await);
    let client = client(&sandbox, StreamTransport::Sse);
    let feed = feed(&client, &place.open().await, policy()).await;
    save(&client, "A").await;
    let first = sandbox.complete(CompletionSpec::new("A").produced("S-1")).unwrap();
    // Rework: later; and a second report of the very same time, with another serial.
    sandbox.complete(CompletionSpec::new("A").produced("S-2").again()).unwrap();
    sandbox.complete(CompletionSpec::new("A").produced("S-3").again().at(first.at)).unwrap();
    let mut serials = Vec::new();
    for _ in 0..3 {
        let delivery = next(&feed).await;
        serials.push(delivery.completion().produced_serial().unwrap().to_owned());
        delivery.ack().await.unwrap();
    }
    serials.sort();
    assert_eq!(serials, ["S-1", "S-2", "S-3"]);
    assert_quiet(&feed).await;
}

#[tokio::test]
async fn a_clock_of_picos_that_is_set_back_an_hour_loses_nothing() {
    for time_filter in [false, true] {
        let (sandbox, place) = (sandbox().await, Ground::new().await);
        sandbox.set_time_filter(time_filter);
        let client = client(&sandbox, StreamTransport::Sse);
        let store = place.open().await;
        let before = feed(&client, &store, policy()).await;
        complete(&client, &sandbox, "before").await;
        assert_eq!(ack_next(&before).await, "before");
        assert_quiet(&before).await;
        before.close(DEADLINE).await;
        sandbox.set_clock_offset(-3600).unwrap();
        complete(&client, &sandbox, "an hour earlier, while the feed was down").await;
        let after = feed(&client, &store, policy()).await;
        complete(&client, &sandbox, "an hour earlier, live").await;
        assert_eq!(
            ack_sorted(&after, 2).await,
            ["an hour earlier, live", "an hour earlier, while the feed was down"]
        );
        assert_quiet(&after).await;
        let caught_up = after.status().await.unwrap().caught_up.unwrap();
        assert_eq!(caught_up.since.is_some(), time_filter, "{caught_up:?}");
    }
}

#[tokio::test]
async fn one_completion_that_is_dated_far_ahead_does_not_hide_what_is_missed_later() {
    let (sandbox, place) = (sandbox().await, Ground::new().await);
    sandbox.set_time_filter(true);
    let client = client(&sandbox, StreamTransport::Sse);
    let store = place.open().await;
    let before = feed(&client, &store, policy()).await;
    save(&client, "ahead").await;
    let year_2099 = Time::from_unix_millis(4_070_908_800_000).unwrap();
    sandbox.complete(CompletionSpec::new("ahead").at(year_2099)).unwrap();
    assert_eq!(ack_next(&before).await, "ahead");
    assert_quiet(&before).await;
    before.close(DEADLINE).await;
    complete(&client, &sandbox, "while the feed was down").await;
    let after = feed(&client, &store, policy()).await;
    assert_eq!(ack_next(&after).await, "while the feed was down");
    let since = after.status().await.unwrap().caught_up.unwrap().since;
    assert!(since.is_some(), "the filter by time is not used");
}

#[tokio::test]
async fn poison_becomes_a_dead_letter_while_the_rest_goes_on_and_can_be_replayed() {
    let (sandbox, place) = (sandbox().await, Ground::new().await);
    let client = client(&sandbox, StreamTransport::Sse);
    let store = place.open().await;
    let feed = feed(&client, &store, FeedPolicy { max_attempts: 3, ..policy() }).await;
    let mut notices = feed.notices();
    for order in ["rejected", "never booked", "dropped", "good"] {
        complete(&client, &sandbox, order).await;
    }
    let mut booked = Vec::new();
    let mut dead = 0;
    while booked.is_empty() || dead < 3 {
        tokio::select! {
            delivery = next(&feed) => match delivery.completion().external_order_id.as_str() {
                "rejected" => delivery.reject("no such item").await.unwrap(),
                "never booked" => delivery.retry(None, "period closed").await.unwrap(),
                "dropped" => drop(delivery),
                good => {
                    booked.push(good.to_owned());
                    delivery.ack().await.unwrap();
                }
            },
            notice = notices.next() => {
                if let Some(FeedNotice::DeadLetter { .. }) = notice {
                    dead += 1;
                }
            }
            () = tokio::time::sleep(DEADLINE) => panic!("{:?}", feed.status().await),
        }
    }
    assert_eq!(booked, ["good"]);
    let letters = store.inbox().entries(Some(InboxState::Dead), 0, 10).await.unwrap();
    let reasons: Vec<_> =
        letters.iter().map(|entry| (entry.attempts, entry.reason.clone().unwrap())).collect();
    assert_eq!(
        reasons,
        [
            (1, "no such item".to_owned()),
            (3, "handed out 3 times; the last time: period closed".to_owned()),
            (3, "handed out 3 times; the last time: dropped without an answer".to_owned()),
        ]
    );
    store.inbox().replay(letters[1].id).await.unwrap();
    let again = next(&feed).await;
    assert_eq!((again.completion().external_order_id.as_str(), again.attempt()), ("never booked", 1));
    again.ack().await.unwrap();
    assert_eq!(store.inbox().replay_dead().await.unwrap(), 2);
    assert_eq!(ack_sorted(&feed, 2).await, ["dropped", "rejected"]);
    let error = store.inbox().replay(9999).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

#[tokio::test]
async fn what_is_put_back_has_not_been_handed_out() {
    let (sandbox, place) = (sandbox().await, Ground::new().await);
    let client = client(&sandbox, StreamTransport::Sse);
    let store = place.open().await;
    let first = feed(&client, &store, FeedPolicy { max_attempts: 1, ..policy() }).await;
    complete(&client, &sandbox, "A").await;
    next(&first).await.put_back();
    let again = next(&first).await;
    assert_eq!(again.attempt(), 1);
    again.put_back();
    first.end();
    assert!(within(first.next()).await.is_none());
    // Ending let go of the store at once, and the completion is the next feed's.
    let second = feed(&client, &store, policy()).await;
    assert_eq!(ack_next(&second).await, "A");
    assert_quiet(&second).await;
}

#[tokio::test]
async fn a_caller_that_stops_waiting_takes_no_completion_with_it() {
    let (sandbox, place) = (sandbox().await, Ground::new().await);
    let client = client(&sandbox, StreamTransport::Sse);
    let feed = feed(&client, &place.open().await, policy()).await;
    for number in 0..50 {
        complete(&client, &sandbox, &format!("{number:02}")).await;
    }
    for _ in 0..200 {
        let mut waiting = Box::pin(feed.next());
        for _ in 0..3 {
            if let std::task::Poll::Ready(delivery) = futures_util::poll!(&mut waiting) {
                // Given back unseen would not count; this one was seen, and is handed out again.
                drop(delivery);
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    let expected: Vec<String> = (0..50).map(|number| format!("{number:02}")).collect();
    assert_eq!(ack_sorted(&feed, 50).await, expected);
    assert_quiet(&feed).await;
}

#[tokio::test]
async fn a_feed_begins_where_it_is_told_to() {
    let (sandbox, place) = (sandbox().await, Ground::new().await);
    let client = client(&sandbox, StreamTransport::Sse);
    complete(&client, &sandbox, "old").await;
    let store = place.open().await;
    let from_now = feed(&client, &store, FeedPolicy { start: FeedStart::Now, ..policy() }).await;
    complete(&client, &sandbox, "new").await;
    assert_eq!(ack_next(&from_now).await, "new");
    assert_quiet(&from_now).await;
    assert_eq!(from_now.status().await.unwrap().inbox.skipped, 1);
    from_now.close(DEADLINE).await;
    complete(&client, &sandbox, "while down").await;
    let again = feed(&client, &store, FeedPolicy { start: FeedStart::Now, ..policy() }).await;
    assert_eq!(ack_next(&again).await, "while down", "only the first start is a beginning");

    let elsewhere = Ground::new().await;
    let other = elsewhere.open().await;
    let since = sandbox.completions()[1].at.to_string().parse().unwrap();
    let since = feed(&client, &other, FeedPolicy { start: FeedStart::Since(since), ..policy() }).await;
    assert_eq!(ack_sorted(&since, 2).await, ["new", "while down"]);
}

#[tokio::test]
async fn notes_come_once_each_in_the_order_of_their_versions_and_apart_from_completions() {
    let (sandbox, place) = (sandbox().await, Ground::new().await);
    let client = client(&sandbox, StreamTransport::Sse);
    let note = |id: &str, text: &str| {
        let spec = NoteSpec { id: Some(id.into()), text: Some(text.into()), ..NoteSpec::default() };
        sandbox.add_note(spec).unwrap();
    };
    let store = place.open().await;
    let completions = feed(&client, &store, policy()).await;
    note("n-1", "before the feed");
    let notes = Feed::notes(&client, &store).policy(policy()).start().await.unwrap();
    within(notes.opened()).await.unwrap();
    let next = async || within(notes.next()).await.expect("the feed goes on").unwrap();
    let first = next().await;
    assert_eq!((first.note().text.as_deref(), first.source()), (Some("before the feed"), Source::CatchUp));
    note("n-1", "changed");
    note("n-2", "another");
    // The change waits for what came before it, another note does not.
    let other = next().await;
    assert_eq!(other.note().text.as_deref(), Some("another"));
    first.ack().await.unwrap();
    let changed = next().await;
    assert_eq!(changed.note().text.as_deref(), Some("changed"));
    assert!(changed.key().starts_with("n-1/"), "{}", changed.key());
    changed.ack().await.unwrap();
    other.reject("no ticket for it").await.unwrap();
    let dead = store.notes_inbox().entries(Some(InboxState::Dead), 0, 10).await.unwrap();
    assert_eq!(dead[0].external_order_id, "n-2");
    assert_quiet(&completions).await;
    assert_eq!(store.inbox().counts().await.unwrap().acked, 0);
    assert_eq!(store.plant_names().await.unwrap(), [""]);
}
