//! How events reach the consumer: in batches, through a descriptor, and with a consumer that is behind.

use std::io;

use pico_erp::{
    Client, Notification, OrderComplete, OrderCompleteFilter, Overflow, Proxy, StreamPolicy, StreamTransport,
    Subscription,
};
use tokio::io::Interest;
use tokio::net::UnixStream;

use crate::scripted::{Server, Step, stream_head};
use crate::waiting::within;

fn events(count: usize) -> Step {
    let one = |n| {
        format!(
            r#"data: {{"data":{{"operationOrderCompletesStream":{{"externalOrderId":"{n}","at":"2025-01-15T14:22:00Z","operationSummary":{{"consumedSerials":[]}}}}}}}}"#
        ) + "\n\n"
    };
    Step::Write((0..count).map(one).collect::<String>().into_bytes())
}

async fn open(policy: StreamPolicy, steps: Vec<Step>) -> (Server, Subscription<OrderComplete>) {
    let script = [vec![stream_head()], steps, vec![Step::Silence]].concat();
    let server = Server::start(vec![script]).await;
    let policy = StreamPolicy { transport: StreamTransport::Sse, ..policy };
    let client = Client::builder(server.endpoint()).proxy(Proxy::None).stream(policy).build().unwrap();
    let stream = client.order_completes_stream(&OrderCompleteFilter::all()).unwrap();
    (server, stream)
}

#[tokio::test]
async fn a_batch_holds_what_is_there_in_order_and_no_more_than_asked_for() {
    let (_server, stream) = open(StreamPolicy::default(), vec![events(100)]).await;
    let mut orders = Vec::new();
    let mut largest = 0;
    while orders.len() < 100 {
        let batch = within(stream.next_batch(7)).await.unwrap();
        assert!(!batch.is_empty() && batch.len() <= 7);
        largest = largest.max(batch.len());
        orders.extend(batch.into_iter().filter_map(|it| match it {
            Notification::Event(done) => Some(done.external_order_id),
            _ => None,
        }));
    }
    assert_eq!(orders, (0..100).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(largest, 7);
}

#[tokio::test]
async fn a_descriptor_is_readable_exactly_while_there_is_something_to_take() {
    let (_server, stream) =
        open(StreamPolicy { buffer: 4, ..StreamPolicy::default() }, vec![events(50)]).await;
    let descriptor = stream.descriptor().unwrap().try_clone_to_owned().unwrap();
    let descriptor = UnixStream::from_std(descriptor.into()).unwrap();
    // tokio remembers that it was readable until it is told otherwise. Told before taking, no news is missed.
    let forget = || {
        let _ = descriptor.try_io(Interest::READABLE, || Err::<(), _>(io::ErrorKind::WouldBlock.into()));
    };
    let mut orders = Vec::new();
    while orders.len() < 50 {
        within(descriptor.readable()).await.unwrap();
        forget();
        while let Some(notification) = stream.try_next_notification() {
            if let Notification::Event(done) = notification {
                orders.push(done.external_order_id);
            }
        }
    }
    assert_eq!(orders, (0..50).map(|n| n.to_string()).collect::<Vec<_>>());
    let mut byte = [0];
    assert_eq!(
        descriptor.try_read(&mut byte).unwrap_err().kind(),
        io::ErrorKind::WouldBlock,
        "nothing is there"
    );

    stream.close();
    within(descriptor.readable()).await.unwrap();
    assert!(stream.try_next_notification().is_none());
    assert!(within(stream.next_notification()).await.is_none());
}

#[tokio::test]
async fn waiting_and_the_descriptor_go_together() {
    let (_server, stream) = open(StreamPolicy::default(), vec![events(10)]).await;
    stream.descriptor().unwrap();
    for number in 0..10 {
        let done = within(stream.next()).await.unwrap().unwrap();
        assert_eq!(done.external_order_id, number.to_string());
    }
}

#[tokio::test]
async fn a_consumer_that_asked_for_it_loses_the_newest_and_is_told_how_many() {
    const EVENTS: usize = 1000;
    let policy = StreamPolicy { buffer: 8, overflow: Overflow::Drop, ..StreamPolicy::default() };
    let (mut server, stream) = open(policy, vec![events(EVENTS)]).await;
    within(server.request()).await;
    within(stream.opened()).await.unwrap();
    // Nobody takes anything until the server has got rid of all of it.
    within(async {
        while server.written() < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let (mut taken, mut dropped, mut last) = (0, 0, None);
    while taken + dropped < EVENTS {
        match within(stream.next_notification()).await.unwrap() {
            Notification::Event(done) => {
                let number: usize = done.external_order_id.parse().unwrap();
                assert_eq!(number, taken + dropped, "what was dropped is told before what follows it");
                assert!(last < Some(number));
                last = Some(number);
                taken += 1;
            }
            Notification::Dropped { count } => dropped += usize::try_from(count).unwrap(),
            Notification::State(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(dropped > 0 && taken >= 4, "{taken} taken, {dropped} dropped");
}
