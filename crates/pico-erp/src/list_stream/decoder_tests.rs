use std::collections::VecDeque;

use http::HeaderValue;
use http::header::CONTENT_TYPE;

use super::*;

const LIMIT: usize = 40;

fn decoded(
    chunks: impl IntoIterator<Item = Result<Bytes, Error>>,
    media: &'static str,
) -> (Vec<String>, Result<(), Error>) {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    let head = Head { status: StatusCode::OK, headers };
    let mut chunks: VecDeque<_> = chunks.into_iter().collect();
    let mut elements = Vec::new();
    let ended = decode(
        || chunks.pop_front().transpose(),
        "things",
        LIMIT,
        &head,
        |element| {
            elements.push(element.as_str().to_owned());
            Ok(())
        },
    );
    (elements, ended)
}

fn whole(text: &'static str) -> (Vec<String>, Result<(), Error>) {
    decoded([Ok(Bytes::from_static(text.as_bytes()))], "application/json")
}

#[test]
fn the_elements_come_through_byte_for_byte_however_the_reply_is_cut() {
    let text = "{\"extensions\":{\"things\":[9]},\"data\":{\"other\":[1,{\"things\":[2]}],\n \"things\" : [ {\"a\": 1.50,\"é\":\"\\u00e9]\"} ,null,\"x,]}\", [1 ,2],-3e1] ,\"more\":{}},\"errors\":null} ";
    let expected = ["{\"a\": 1.50,\"é\":\"\\u00e9]\"}", "\"x,]}\"", "[1 ,2]", "-3e1"];
    let bytes = Bytes::from_static(text.as_bytes());
    for first in 0..=bytes.len() {
        for second in first..=bytes.len() {
            let pieces = [bytes.slice(..first), bytes.slice(first..second), bytes.slice(second..)];
            let (elements, ended) = decoded(pieces.map(Ok), "application/json");
            assert_eq!(elements, expected, "cut at {first} and {second}");
            ended.unwrap();
        }
    }
    let single = (0..bytes.len()).map(|at| Ok(bytes.slice(at..=at)));
    assert_eq!(decoded(single, "application/json").0, expected);
}

#[test]
fn what_a_reply_says_besides_its_elements_ends_them() {
    use ErrorKind::{Decode, Graphql, NotJson, TooLarge, Unauthorized};
    for (text, count, kind) in [
        (r#"{"data":{"things":[1,2]}}"#, 2, None),
        (r#"{"data":{"things":[]},"errors":[]}"#, 0, None),
        (r#"{"data":{"things":null}}"#, 0, None),
        (r#"{"errors":[{"message":"no"}],"data":{"things":[1]}}"#, 1, Some(Graphql)),
        (r#"{"data":{"things":[1]},"errors":[{"message":"no"}]}"#, 1, Some(Graphql)),
        (r#"{"data":null,"errors":[{"message":"no"}]}"#, 0, Some(Graphql)),
        (r#"{"errors":"no"}"#, 0, Some(Graphql)),
        (r#"{"errors":[{"extensions":{"code":"FORBIDDEN"}}]}"#, 0, Some(Unauthorized)),
        (r#"{"data":null}"#, 0, Some(Decode)),
        (r#"{"data":{"other":[1]}}"#, 0, Some(Decode)),
        (r#"{"data":{"things":{"a":1}}}"#, 0, Some(Decode)),
        (r#"{"data":[1]}"#, 0, Some(Decode)),
        ("{}", 0, Some(Decode)),
        ("[1]", 0, Some(Decode)),
        (r#"{"data":{"things":[1,2"#, 1, Some(NotJson)),
        (r#"{"data":{"things":[1,{"a":"#, 1, Some(NotJson)),
        (r#"{"data":{"things":[1,2]}} x"#, 2, Some(NotJson)),
        (r#"{"data":{"things":[1,2 3]}}"#, 1, Some(NotJson)),
        (r#"{"data":{"things":["a","b""#, 2, Some(NotJson)),
        ("", 0, Some(NotJson)),
        (r#"{"data":{"things":[1,"a23456789b23456789c23456789d2345678912"]}}"#, 2, None),
        (r#"{"data":{"things":[1,"a23456789b23456789c23456789d23456789123"]}}"#, 1, Some(TooLarge)),
        (r#"{"data":{"things":[1234567890123456789012345678901234567890,2]}}"#, 2, None),
        (r#"{"data":{"things":[12345678901234567890123456789012345678901,2]}}"#, 0, Some(TooLarge)),
    ] {
        let (elements, ended) = whole(text);
        assert_eq!(elements.len(), count, "{text}");
        assert_eq!(ended.as_ref().err().map(Error::kind), kind, "{text}: {ended:?}");
        if let Err(error) = ended {
            assert_eq!(error.http_status(), Some(200), "{text}");
        }
    }
}

#[test]
fn what_is_only_passed_over_may_be_large() {
    let long = "x".repeat(10 * LIMIT);
    let text = format!(r#"{{"extensions":"{long}","data":{{"more":["{long}"],"things":[1]}},"z":"{long}"}}"#);
    let (elements, ended) = decoded([Ok(Bytes::from(text))], "application/json");
    ended.unwrap();
    assert_eq!(elements, ["1"]);
}

#[test]
fn an_element_that_never_ends_is_stopped_at_the_limit() {
    let mut taken = 0;
    let head = Head { status: StatusCode::OK, headers: HeaderMap::new() };
    let mut start = Some(Bytes::from_static(b"{\"data\":{\"things\":[\""));
    let endless = || {
        taken += 1;
        Ok(Some(start.take().unwrap_or(Bytes::from_static(b"y"))))
    };
    let error = decode(endless, "things", LIMIT, &head, |_| Ok(())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(error.to_string().contains("40 bytes"), "{error}");
    assert!(taken <= LIMIT + 3, "{taken}");
}

#[test]
fn a_page_of_a_proxy_is_shown_as_calls_show_it() {
    let page = Bytes::from_static(b"<html>\n <title>Proxy login</title>");
    let (_, ended) = decoded([Ok(page)], "text/html; charset=utf-8");
    let error = ended.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotJson);
    assert!(error.to_string().contains("text/html, not JSON; a proxy or a login page may stand"), "{error}");
    assert!(error.to_string().contains("<html> <title>Proxy login"), "{error}");
    assert!(error.body_start().unwrap().starts_with("<html>\n"));
}

#[test]
fn a_broken_connection_is_told_as_itself_after_what_was_whole() {
    let chunks = [
        Ok(Bytes::from_static(b"{\"data\":{\"things\":[1,2,{\"a\"")),
        Err(Error::new(ErrorKind::ConnectionLost, "the connection broke")),
    ];
    let (elements, ended) = decoded(chunks, "application/json");
    assert_eq!(elements, ["1", "2"], "the comma says that the number is whole");
    let error = ended.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionLost);
    assert!(error.is_retryable());
}

#[test]
fn when_nobody_takes_the_elements_the_walk_ends() {
    let head = Head { status: StatusCode::OK, headers: HeaderMap::new() };
    let mut taken = 0;
    let mut start = Some(Bytes::from_static(b"{\"data\":{\"things\":[1"));
    let endless = || Ok(Some(start.take().unwrap_or(Bytes::from_static(b",1"))));
    let error = decode(endless, "things", LIMIT, &head, |_| {
        taken += 1;
        if taken < 3 { Ok(()) } else { Err(Abandoned) }
    })
    .unwrap_err();
    assert_eq!((taken, error.kind()), (3, ErrorKind::Closed));
}
