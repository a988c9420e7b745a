use proptest::prelude::*;

use super::*;

const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[test]
fn a_header_is_read_by_the_grammar_or_not_at_all() {
    for (text, sent) in [
        (GOOD, Some(GOOD)),
        (
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
            Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"),
        ),
        // A version to come, with more behind and with flags that nobody knows yet.
        ("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-09", Some(GOOD)),
        ("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-the-future", Some(GOOD)),
        ("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.x", None),
        ("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", None),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1", None),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", None),
        ("00-00000000000000000000000000000000-b7ad6b7169203331-01", None),
        ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", None),
        ("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", None),
        ("00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None),
        ("00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None),
        (" 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nx: y", None),
        ("", None),
        ("ä", None),
    ] {
        let read = TraceParent::parse(text).map(|parent| parent.to_string());
        assert_eq!(read.as_deref(), sent, "{text:?}");
    }
}

proptest! {
    #[test]
    fn no_text_breaks_the_reader_and_what_it_takes_it_writes_as_a_header(text in ".{0,60}") {
        if let Some(parent) = TraceParent::parse(&text) {
            prop_assert!(TraceParent::parse(&parent.to_string()).is_some());
        }
    }

    #[test]
    fn what_is_written_is_read(trace_id in 1_u128.., span_id in 1_u64.., flags: u8) {
        let parent = TraceParent { trace_id, span_id, flags };
        prop_assert_eq!(TraceParent::parse(&parent.to_string()), Some(parent));
    }
}

fn sent(trace: Option<Trace>) -> String {
    trace.unwrap().header().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn a_retry_of_an_own_trace_has_another_span_and_a_callers_parent_is_left_as_it_is() {
    assert_eq!(TraceContext::off().begin(), None);
    let first = TraceContext::generate().begin();
    let again = first.map(Trace::again);
    let (first, again) = (sent(first), sent(again));
    assert_eq!(first[..35], again[..35]);
    assert_ne!(first[36..52], again[36..52]);
    assert!(first.ends_with("-01"), "{first}");
    let callers = TraceContext::provider(|| Some(GOOD.to_owned())).begin();
    assert_eq!(sent(callers.map(Trace::again)), GOOD);
    assert_eq!(callers.map(Trace::id).as_deref(), Some("0af7651916cd43dd8448eb211c80319c"));
}

#[test]
fn where_a_provider_has_none_or_a_wrong_one_a_trace_is_begun() {
    for given in [None, Some("00-0-0-0")] {
        let context = TraceContext::provider(move || given.map(str::to_owned));
        let header = sent(context.begin());
        assert!(TraceParent::parse(&header).is_some(), "{header}");
    }
}

#[tokio::test]
async fn a_scope_counts_for_its_call_only_and_not_where_tracing_is_off() {
    let other = GOOD.replace("b7ad", "c7ad");
    let context = TraceContext::provider(move || Some(other.clone()));
    let inside = TraceContext::scope(Some(GOOD.to_owned()), async { context.begin() }).await;
    assert_eq!(sent(inside), GOOD);
    assert_ne!(sent(context.begin()), GOOD);
    let generated = TraceContext::scope(Some(GOOD.to_owned()), async { TraceContext::generate().begin() });
    assert_eq!(sent(generated.await), GOOD);
    let off = TraceContext::scope(Some(GOOD.to_owned()), async { TraceContext::off().begin() }).await;
    assert_eq!(off, None);
}
