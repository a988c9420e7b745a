use super::*;

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn lost() -> Arc<Error> {
    Arc::new(Error::new(ErrorKind::ConnectionLost, "lost"))
}

#[test]
fn a_stream_that_is_lost_is_down_until_it_is_open_again_and_the_gap_is_added_up() {
    let meters = FeedMeters::default();
    let begun = Instant::now();
    let transport = StreamTransport::Sse;
    let retrying = StreamState::Retrying { failures: 1, delay: seconds(1), cause: lost() };
    let down = |meters: &FeedMeters| {
        let stream = meters.snapshot().stream;
        (stream.open, stream.down.is_some())
    };
    assert_eq!(down(&meters), (false, false));
    meters.stream_at(&StreamState::Connecting { transport }, begun);
    assert_eq!(down(&meters), (false, true));
    meters.stream_at(&StreamState::Open { transport, gap: None }, begun + seconds(1));
    assert_eq!(down(&meters), (true, false));
    // The first time it is open is no reconnect.
    assert_eq!(meters.snapshot().stream.reconnects, 0);
    meters.stream_at(&retrying, begun + seconds(5));
    meters.stream_at(&StreamState::Connecting { transport }, begun + seconds(6));
    assert_eq!(down(&meters), (false, true));
    // The stream knows better than its states how long it heard nothing.
    meters.stream_at(&StreamState::Open { transport, gap: Some(seconds(4)) }, begun + seconds(7));
    meters.stream_ended();
    locked(&meters.stream).down_since = Some(begun + seconds(10));
    let other = StreamTransport::WebSocket;
    meters.stream_at(&StreamState::Open { transport: other, gap: None }, begun + seconds(70));
    let stream = meters.snapshot().stream;
    assert_eq!((stream.reconnects, stream.failures), (2, 1));
    assert_eq!((stream.gap_total, stream.last_gap), (seconds(64), Some(seconds(60))));
    assert_eq!(stream.transport, Some(other));
}

#[test]
fn what_the_catch_up_brings_says_nothing_of_the_lag_of_live_sources() {
    let meters = FeedMeters::default();
    meters.received(Source::CatchUp, 3, &[0], 9_000_000);
    meters.received(Source::Sse, 2, &[1_000_000], 3_000_000);
    meters.unreadable(Source::Sse, 1);
    let snapshot = meters.snapshot();
    let of = |counts: &[SourceCount], source| {
        counts.iter().find(|count| count.source == source).map(|count| count.count)
    };
    assert_eq!(of(&snapshot.received, Source::CatchUp), Some(3));
    assert_eq!(of(&snapshot.received, Source::Sse), Some(3));
    assert_eq!(of(&snapshot.duplicates, Source::CatchUp), Some(2));
    assert_eq!(of(&snapshot.duplicates, Source::Sse), Some(1));
    assert_eq!((snapshot.completion_lag.count(), snapshot.completion_lag.sum), (1, seconds(2)));
    assert_eq!(snapshot.unreadable, 1);
}

#[test]
fn a_request_is_counted_by_its_end() {
    let meters = RequestMeters::default();
    let begun = Instant::now();
    meters.request(begun, &Ok(()));
    for error in [
        Error::new(ErrorKind::HttpStatus, "x").with_http_status(503),
        Error::new(ErrorKind::Timeout, "x"),
        Error::new(ErrorKind::Connect, "x"),
    ] {
        meters.request(begun, &Err::<(), _>(error));
    }
    let snapshot = meters.snapshot();
    assert_eq!((snapshot.answered, snapshot.refused, snapshot.timed_out, snapshot.failed), (1, 1, 1, 1));
    assert_eq!(snapshot.duration.count(), 4);
}

#[test]
fn what_never_ran_is_left_out() {
    let meters = Meters::default();
    let plant = meters.plant("berlin");
    let snapshot = plant.snapshot("berlin");
    assert_eq!(snapshot.plant, "berlin");
    assert!(snapshot.feed.is_none() && snapshot.sender.is_none());
    assert!(snapshot.webhooks.is_none() && snapshot.requests.is_none());
    plant.sender.start();
    let sent = OrderSettlement::Sent { message: "created".into() };
    // The same plant, whoever asks.
    meters
        .plant("berlin")
        .sender
        .settled(&[(Place { id: 1, fence: 1 }, sent.clone()), (Place { id: 2, fence: 1 }, sent)]);
    assert_eq!(plant.snapshot("berlin").sender.map(|sender| sender.sent), Some(2));
}
