//! The decoder against the rules of WHATWG HTML, section 9.2, row by row, and against any split of the bytes.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::decoder::{Frame, SseDecoder, TooLarge};

fn event(name: &str, data: &str) -> Frame {
    Frame::Event { name: name.into(), data: Bytes::copy_from_slice(data.as_bytes()) }
}

fn message(data: &str) -> Frame {
    event("", data)
}

fn decode(chunks: &[&[u8]]) -> (Vec<Frame>, Option<String>) {
    let mut decoder = SseDecoder::new(1 << 20);
    let mut frames = Vec::new();
    for chunk in chunks {
        decoder.push(chunk);
        while let Some(frame) = decoder.poll().unwrap() {
            frames.push(frame);
        }
    }
    (frames, decoder.last_event_id().map(str::to_owned))
}

#[test]
fn the_format_is_read_as_the_specification_says() {
    type Row = (&'static str, &'static [u8], Vec<Frame>);
    let rows: Vec<Row> = vec![
        // 9.2.6, the worked examples
        ("several data lines", b"data: YHOO\ndata: +2\ndata: 10\n\n", vec![message("YHOO\n+2\n10")]),
        (
            "four blocks",
            b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
            vec![message("first event"), message("second event"), message(" third event")],
        ),
        ("empty data fires twice", b"data\n\ndata\ndata\n\ndata:", vec![message(""), message("\n")]),
        (
            "space after the colon is ignored",
            b"data:test\n\ndata: test\n\n",
            vec![message("test"), message("test")],
        ),
        // 9.2.5, line ends
        ("LF", b"data: a\n\n", vec![message("a")]),
        ("CR", b"data: a\r\r", vec![message("a")]),
        ("CRLF", b"data: a\r\n\r\n", vec![message("a")]),
        ("mixed ends", b"data: a\rdata: b\ndata: c\r\n\r", vec![message("a\nb\nc")]),
        ("LF then CR are two ends", b"data: a\n\rdata: b\n\n", vec![message("a"), message("b")]),
        // 9.2.5, byte order mark
        ("one BOM is ignored", b"\xef\xbb\xbfdata: a\n\n", vec![message("a")]),
        ("a second BOM is not", b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\ndata: b\n\n", vec![message("b")]),
        ("a BOM later is not", b"data: a\n\n\xef\xbb\xbfdata: b\n\n", vec![message("a")]),
        ("half a BOM is no BOM", b"\xef\xbbdata: a\n\ndata: b\n\n", vec![message("b")]),
        // 9.2.6, fields
        ("comments are ignored", b":\n: x\n:data: y\ndata: a\n\n", vec![message("a")]),
        ("event names it", b"event: next\ndata: a\n\ndata: b\n\n", vec![event("next", "a"), message("b")]),
        ("the last event name wins", b"event: a\nevent: b\ndata: x\n\n", vec![event("b", "x")]),
        ("an empty event name is none", b"event: a\nevent\ndata: x\n\n", vec![message("x")]),
        (
            "unknown fields are ignored",
            b"foo: bar\nDATA: no\n data: no\ndata : no\ndata: a\n\n",
            vec![message("a")],
        ),
        ("a colon in the value", b"data: a:b: c\n\n", vec![message("a:b: c")]),
        ("only one space is removed", b"data:   a \n\n", vec![message("  a ")]),
        ("a tab is not removed", b"data:\ta\n\n", vec![message("\ta")]),
        ("blank lines alone give nothing", b"\n\n\r\r\r\n\n", vec![]),
        ("an event without data is none", b"event: x\n\n", vec![Frame::NamedOnly("x".into())]),
        (
            "the name of an event without data is forgotten",
            b"event: x\n\ndata: a\n\n",
            vec![Frame::NamedOnly("x".into()), message("a")],
        ),
        ("an event at the end without a blank line is dropped", b"data: a\n\ndata: b\n", vec![message("a")]),
        ("NUL in data is kept", b"data: a\0b\n\n", vec![message("a\0b")]),
        ("what is not UTF-8 is replaced", b"data: \xffa\n\n", vec![message("\u{fffd}a")]),
        // 9.2.6, retry
        ("retry", b"retry: 3000\n", vec![Frame::Retry(Duration::from_secs(3))]),
        ("retry that is no number", b"retry: 3000x\nretry: -1\nretry: 1.5\nretry:\nretry\n", vec![]),
        ("retry past any number", b"retry: 99999999999999999999999\n", vec![]),
    ];
    for (name, bytes, expected) in rows {
        assert_eq!(decode(&[bytes]).0, expected, "{name}");
    }
}

/// What the web platform's tests of event streams (eventsource/format-*) and LaunchDarkly's sse-contract-tests look at,
/// where no row above tells it; the bytes are ours.
#[test]
fn what_other_readers_of_event_streams_are_tested_for_holds_here() {
    type Row = (&'static str, Vec<u8>, Vec<Frame>);
    let long = "c".repeat(5000);
    let rows: Vec<Row> = vec![
        // format-field-parsing, format-null-character
        (
            "a name is a field's only when it is that name exactly",
            b"data:1\nDATA:2\ndata\0:3\n\0data:4\nda-ta:5\ndata_6\ndata:7\n\n".to_vec(),
            vec![message("1\n7")],
        ),
        ("a value may be NUL", b"data:\0\n\n".to_vec(), vec![message("\0")]),
        // format-newlines
        ("empty data between data", b"data:a\r\ndata\ndata:b\r\n\r\n".to_vec(), vec![message("a\n\nb")]),
        ("each line may end another way", b"data:a\rdata:b\r\ndata:c\n\n".to_vec(), vec![message("a\nb\nc")]),
        // format-leading-space
        ("a single space is an empty value", b"data: \ndata:\n\n".to_vec(), vec![message("\n")]),
        // format-comments
        ("a comment may be long", format!("data:a\n:{long}\ndata:b\n\n").into_bytes(), vec![message("a\nb")]),
        ("a comment may hold NUL and a colon", b":\0:x\ndata:a\n:\n\n".to_vec(), vec![message("a")]),
        // format-data-before-final-empty-line, format-field-data
        (
            "data without the blank line is no event",
            b"retry:1000\ndata:a\n\ndata:b".to_vec(),
            vec![Frame::Retry(Duration::from_secs(1)), message("a")],
        ),
        // format-field-event, format-field-event-empty
        ("an empty name is no name", b"event: \ndata:a\n\n".to_vec(), vec![message("a")]),
        (
            "a name may hold spaces and letters of any script",
            "event: né w\ndata:a\n\n".into(),
            vec![event("né w", "a")],
        ),
        // format-field-retry, -bogus, -empty
        ("zeros may lead", b"retry:0300\n".to_vec(), vec![Frame::Retry(Duration::from_millis(300))]),
        ("digits of other scripts are none", "retry:\u{663}000\n".into(), vec![]),
        ("blanks are no digits", b"retry: 3000 \nretry:  3000\nretry:+3000\n".to_vec(), vec![]),
        (
            "retry does not end an event",
            b"data:a\nretry:1\ndata:b\n\n".to_vec(),
            vec![Frame::Retry(Duration::from_millis(1)), message("a\nb")],
        ),
        // format-utf-8; LaunchDarkly: characters of several bytes
        ("letters of several bytes", "data: ok… \u{1f600}\n\n".into(), vec![message("ok… \u{1f600}")]),
        (
            "U+2028 and U+0085 end no line",
            "data: a\u{2028}b\u{85}c\n\n".into(),
            vec![message("a\u{2028}b\u{85}c")],
        ),
        // LaunchDarkly, "basic parsing": the order of the fields does not matter
        ("data before the name", b"data:a\nid:1\nevent:next\n\n".to_vec(), vec![event("next", "a")]),
    ];
    for (name, bytes, expected) in rows {
        assert_eq!(decode(&[&bytes]).0, expected, "{name}");
        // LaunchDarkly, "chunks": wherever a read ends.
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(decode(&single).0, expected, "{name}, byte by byte");
    }
}

#[test]
fn the_last_event_id_follows_the_rules() {
    for (name, bytes, id) in [
        ("an id counts from its event on", &b"id: 1\ndata: a\n\n"[..], Some("1")),
        ("it stays for later events", b"id: 1\ndata: a\n\ndata: b\n\n", Some("1")),
        ("an id without data counts too", b"id: 7\n\n", Some("7")),
        ("not before the blank line", b"id: 1\ndata: a\n", None),
        ("an empty id resets it", b"id: 1\ndata: a\n\nid\ndata: b\n\n", None),
        ("an id with NUL is ignored", b"id: 1\ndata: a\n\nid: 2\x003\ndata: b\n\n", Some("1")),
        ("the last one wins", b"id: 1\nid: 2\ndata: a\n\n", Some("2")),
        // format-field-id*, and LaunchDarkly's "last event id"
        ("an id may be any text", "id: …\ndata: a\n\n".as_bytes(), Some("…")),
        (
            "an id of an event without the blank line does not count",
            b"id: 1\ndata: a\n\nid: 2\ndata: b\n",
            Some("1"),
        ),
        ("an event without data sets it for the next", b"id: 1\n\ndata: a\n\n", Some("1")),
        ("an id that is NUL alone is ignored", b"id: 1\n\nid: \0\ndata: a\n\n", Some("1")),
    ] {
        assert_eq!(decode(&[bytes]).1.as_deref(), id, "{name}");
    }
}

#[test]
fn an_event_is_handed_over_at_the_read_that_completes_it() {
    for end in ["\n\n", "\r\r", "\r\n\r", "\r\n\r\n", "\n\r"] {
        let text = format!("data: a{end}");
        let (frames, _) = decode(&[text.as_bytes()]);
        assert_eq!(frames, [message("a")], "{end:?}");
    }
    // A CR completes the event; the LF that comes with the next read adds nothing.
    assert_eq!(decode(&[b"data: a\r\n\r"]).0.len(), 1);
    assert_eq!(decode(&[b"data: a\r\n\r", b"\ndata: b\r\n\r\n"]).0, [message("a"), message("b")]);
}

#[test]
fn an_event_past_the_limit_is_refused_however_it_grows() {
    let long = "x".repeat(100);
    for bytes in [
        format!("data: {long}\n\n"),
        format!("data: {long}"),
        format!(": {long}"),
        format!("event: {long}\n"),
        format!("data: {}\n", &long[..40]).repeat(3),
    ] {
        let mut decoder = SseDecoder::new(64);
        decoder.push(bytes.as_bytes());
        let mut last = decoder.poll();
        while let Ok(Some(_)) = last {
            last = decoder.poll();
        }
        assert_eq!(last, Err(TooLarge(64)), "{bytes}");
    }
}

#[test]
fn many_small_events_never_add_up_to_the_limit() {
    let mut decoder = SseDecoder::new(64);
    decoder.push("data: 0123456789\n\n".repeat(1000).as_bytes());
    let mut count = 0;
    while let Some(Frame::Event { .. }) = decoder.poll().unwrap() {
        count += 1;
    }
    assert_eq!(count, 1000);
}

/// Text made of the pieces that matter to the format, in any order.
fn stream_text() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        &b"data"[..],
        b"event",
        b"id",
        b"retry",
        b":",
        b" ",
        b"\n",
        b"\r",
        b"\r\n",
        b"\n\n",
        b"\r\n\r\n",
        b"next",
        b"{\"a\":1}",
        b"\xef\xbb\xbf",
        b"\xc3\xa9",
        b"\xff",
        b"\0",
        b"42",
        b"data: x\n\n",
        b": ping\n\n",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_split_of_the_bytes_gives_the_same_events(bytes in stream_text(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12)) {
        let whole = decode(&[&bytes]);
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(&decode(&single), &whole);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.push(0);
        cuts.push(bytes.len());
        cuts.sort_unstable();
        let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        prop_assert_eq!(&decode(&chunks), &whole);
    }
}
