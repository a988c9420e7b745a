use proptest::prelude::*;

use super::*;

const MOMENT: Moment = Moment {
    now: 1_000_000,
    jitter: 1.0,
    backoff: Backoff { base: Duration::from_secs(1), cap: Duration::from_secs(60) },
    retry_after_ceiling: Duration::from_secs(300),
};

fn order(kind: OrderKind, attempt: u32, unsure: bool) -> ClaimedOrder {
    ClaimedOrder { id: 7, fence: 1, kind, input: "{}".to_owned(), attempt, unsure }
}

fn error(kind: ErrorKind) -> Error {
    Error::new(kind, "x")
}

fn one(order: &ClaimedOrder, answer: Answer) -> OrderSettlement {
    decide(std::slice::from_ref(order), answer, MOMENT).0.remove(0).1
}

#[test]
fn only_what_pico_refuses_fails() {
    let save = order(OrderKind::Save, 1, false);
    let taken = Answer::Each(vec![Outcome::Taken("created".to_owned())]);
    assert_eq!(one(&save, taken), OrderSettlement::Sent { message: "created".to_owned() });
    let refused = Answer::Each(vec![Outcome::Refused(error(ErrorKind::Graphql))]);
    assert!(matches!(one(&save, refused), OrderSettlement::Failed(reason) if reason.code == 500));
    for kind in ErrorKind::ALL {
        let settlement = one(&save, Answer::Nothing(error(*kind)));
        assert!(matches!(settlement, OrderSettlement::Retry { .. }), "{kind:?}");
    }
}

#[test]
fn a_cancel_that_is_refused_after_a_try_without_an_answer_says_so() {
    let refused = || Answer::Each(vec![Outcome::Refused(error(ErrorKind::Graphql))]);
    for (kind, unsure, told) in
        [(OrderKind::Cancel, true, true), (OrderKind::Cancel, false, false), (OrderKind::Save, true, false)]
    {
        let OrderSettlement::Failed(reason) = one(&order(kind, 2, unsure), refused()) else { panic!() };
        assert_eq!(reason.text.contains("may have carried the cancel out"), told, "{kind:?} {unsure}");
    }
}

#[test]
fn what_may_have_been_carried_out_is_remembered() {
    for (kind, status, unsure, counts) in [
        (ErrorKind::Timeout, None, true, true),
        (ErrorKind::ConnectionLost, None, true, true),
        (ErrorKind::NotJson, Some(200), true, true),
        (ErrorKind::HttpStatus, Some(504), true, true),
        (ErrorKind::HttpStatus, Some(404), false, true),
        (ErrorKind::HttpStatus, Some(408), true, true),
        (ErrorKind::Unauthorized, Some(401), false, true),
        (ErrorKind::RateLimited, Some(429), false, true),
        (ErrorKind::Connect, None, false, false),
        (ErrorKind::Dns, None, false, false),
        (ErrorKind::Tls, None, false, false),
    ] {
        let mut cause = error(kind);
        if let Some(status) = status {
            cause = cause.with_http_status(status);
        }
        let settlement = one(&order(OrderKind::Cancel, 1, false), Answer::Nothing(cause));
        let OrderSettlement::Retry { unsure: was, counts: counted, .. } = settlement else { panic!() };
        assert_eq!((was, counted), (unsure, counts), "{kind:?} {status:?}");
    }
}

#[test]
fn a_batch_goes_back_to_the_queue_and_one_alone_waits() {
    let orders = [order(OrderKind::Save, 1, false), order(OrderKind::Save, 1, false)];
    let again = |settlement: &OrderSettlement| match settlement {
        OrderSettlement::Retry { again, alone, .. } => (*again, *alone),
        other => panic!("{other:?}"),
    };
    let (settled, effect) = decide(&orders, Answer::Nothing(error(ErrorKind::Timeout)), MOMENT);
    assert!(settled.iter().all(|(_, it)| again(it) == (Again::Queued, false)));
    assert!(matches!(effect, Effect::Pause(_)));
    let (settled, effect) = decide(&orders, Answer::NoBatches(error(ErrorKind::Graphql)), MOMENT);
    assert!(settled.iter().all(|(_, it)| again(it) == (Again::Queued, true)));
    assert!(matches!(effect, Effect::NoBatches(_)));
    let unknown = Answer::Each(vec![Outcome::Unknown, Outcome::Faulty(error(ErrorKind::Graphql))]);
    let (settled, effect) = decide(&orders, unknown, MOMENT);
    assert_eq!(again(&settled[0].1), (Again::Queued, true));
    assert_eq!(again(&settled[1].1), (Again::At(2_000_000), true));
    assert!(matches!(effect, Effect::Answered));
    let alone = one(&order(OrderKind::Save, 3, false), Answer::Nothing(error(ErrorKind::Timeout)));
    assert_eq!(again(&alone).0, Again::At(5_000_000));
}

proptest! {
    #[test]
    fn a_wait_is_never_longer_than_the_cap_or_what_the_server_may_ask(
        attempt in 1..u32::MAX, jitter in 0.0..1.0_f64, asked in prop::option::of(0..100_000_u64)
    ) {
        let cause = error(ErrorKind::HttpStatus).with_http_status(503).with_retry_after(asked.map(Duration::from_secs));
        let moment = Moment { jitter, ..MOMENT };
        let (settled, _) = decide(&[order(OrderKind::Save, attempt, false)], Answer::Nothing(cause), moment);
        let OrderSettlement::Retry { again: Again::At(due), .. } = &settled[0].1 else { panic!() };
        let wait = due - MOMENT.now;
        prop_assert!((0..=300_000_000).contains(&wait));
        prop_assert!(asked.is_none_or(|asked| wait >= i64::try_from(asked.min(300)).unwrap() * 1_000_000));
    }
}
