//! Each generation of Pico's API, with its schema shown and hidden: it is found out, and everything works with it.

use pico_erp::{
    ApiGeneration, Client, ErrorKind, Model, NoteFilter, OperationFilter, OrderCompleteFilter, OrderSave,
    OrderSaved, Proxy, Request, RetryPolicy, StreamPolicy, StreamTransport, Token, WebhookSubscribe,
};
use pico_erp_sandbox::{CompletionSpec, Config, Fault, Generation, NoteSpec, OperationSpec, Sandbox};

use crate::scripted::{Server, reply};
use crate::waiting::{DEADLINE, within};

const URL: &str = "http://127.0.0.1:9/pico";

async fn sandbox(generation: Generation, introspection: bool) -> Sandbox {
    Sandbox::start(Config { generation, introspection, ..Config::default() }).await.unwrap()
}

fn client(endpoint: &str, generation: ApiGeneration, transport: StreamTransport) -> Client {
    let stream = StreamPolicy { transport, ..StreamPolicy::default() };
    Client::builder(endpoint)
        .generation(generation)
        .token(Token::fixed("tok"))
        .proxy(Proxy::None)
        .stream(stream)
        .build()
        .unwrap()
}

fn auto(endpoint: &str) -> Client {
    client(endpoint, ApiGeneration::Auto, StreamTransport::Auto)
}

/// Every generation that is found out, with its schema shown and hidden.
const SERVERS: [(Generation, bool, ApiGeneration); 4] = [
    (Generation::G2, true, ApiGeneration::G2),
    (Generation::G2, false, ApiGeneration::G2),
    (Generation::G3, true, ApiGeneration::G3),
    (Generation::G3, false, ApiGeneration::G3),
];

#[tokio::test]
async fn it_is_found_out_and_the_calls_ask_for_what_it_has() {
    for (generation, introspection, expected) in SERVERS {
        let sandbox = sandbox(generation, introspection).await;
        let client = auto(&sandbox.endpoint());
        let mut spec = OperationSpec::new("op-coded", "Coded");
        spec.external_id = Some("P-1|P-2".into());
        sandbox.deploy(spec).unwrap();
        let what = format!("{generation:?} {introspection}");

        let coded = client.operations(&OperationFilter::all().id("op-coded")).await.unwrap();
        assert_eq!(client.generation().await.unwrap(), expected, "{what}");
        let order = OrderSave::new("op-coded", "E-1");
        assert_eq!(client.save_order(&order).await.unwrap(), OrderSaved::Created, "{what}");
        sandbox.complete(CompletionSpec::new("E-1").ordered_with("RES-1", "SALES-1")).unwrap();
        let done = client.order_completes(&OrderCompleteFilter::all()).await.unwrap().remove(0);
        if expected == ApiGeneration::G3 {
            assert_eq!(coded[0].external_codes, Some(vec!["P-1".to_owned(), "P-2".to_owned()]), "{what}");
            assert_eq!(done.reserved_serial_number.as_deref(), Some("RES-1"), "{what}");
            assert_eq!(done.secondary_external_order_id.as_deref(), Some("SALES-1"), "{what}");
        } else {
            assert_eq!(coded[0].external_codes, None, "{what}");
            assert_eq!(done.reserved_serial_number, None, "{what}");
            assert!(!done.raw().as_str().contains("secondaryExternalOrderId"), "{what}");
        }
        assert!(done.unknown_fields().is_empty(), "{what}");
    }
}

#[tokio::test]
async fn streams_bring_what_the_generation_has_over_every_transport() {
    for (generation, introspection, expected) in SERVERS {
        for transport in [StreamTransport::Sse, StreamTransport::WebSocket] {
            let sandbox = sandbox(generation, introspection).await;
            let client = client(&sandbox.endpoint(), ApiGeneration::Auto, transport);
            let what = format!("{generation:?} {introspection} {transport:?}");
            let stream = client.order_completes_stream(&OrderCompleteFilter::all()).unwrap();
            within(stream.opened()).await.unwrap();
            client.save_order(&OrderSave::new("op-abc-123", "E-1")).await.unwrap();
            sandbox.complete(CompletionSpec::new("E-1").ordered_with("RES-1", "SALES-1")).unwrap();
            let done = within(stream.next()).await.unwrap().unwrap();
            let reserved = (expected == ApiGeneration::G3).then_some("RES-1");
            assert_eq!(done.reserved_serial_number.as_deref(), reserved, "{what}");
            let listed = client.order_completes(&OrderCompleteFilter::all()).await.unwrap();
            assert_eq!(listed[0].raw().as_str(), done.raw().as_str(), "{what}");
        }
    }
}

#[tokio::test]
async fn webhooks_post_what_the_generation_has_in_either_form_of_registration() {
    for (generation, introspection, expected) in SERVERS {
        for legacy_webhooks in [false, true] {
            let sandbox = sandbox(generation, introspection).await;
            sandbox.set_legacy_webhooks(legacy_webhooks);
            let what = format!("{generation:?} {introspection} {legacy_webhooks}");
            for setting in [ApiGeneration::Auto, expected] {
                let client = client(&sandbox.endpoint(), setting, StreamTransport::Auto);
                let webhook = WebhookSubscribe::order_completes("erp", URL).header("x-key", "s3cret");
                let ensured = client.ensure_webhook(&webhook, None).await.unwrap();
                let fragment = ensured.webhook.response_fragment.as_deref().unwrap();
                let has_newer = fragment.contains("reservedSerialNumber");
                assert_eq!(has_newer, expected == ApiGeneration::G3, "{what} {setting:?}");
                let requests = sandbox.requests();
                let again = client.ensure_webhook(&webhook, Some(&ensured.fingerprint)).await.unwrap();
                assert_eq!(again.outcome, pico_erp::WebhookOutcome::Unchanged, "{what} {setting:?}");
                client.webhook_subscribe(&webhook).await.unwrap();
                assert_eq!(sandbox.requests() - requests, 2, "{what} {setting:?}: the form is remembered");
            }
        }
    }
}

#[tokio::test]
async fn a_registration_that_is_refused_for_another_reason_is_refused_with_that() {
    for legacy_webhooks in [false, true] {
        let sandbox = sandbox(Generation::G2, false).await;
        sandbox.set_legacy_webhooks(legacy_webhooks);
        let client = auto(&sandbox.endpoint());
        let wrong = WebhookSubscribe::new("erp", "fragment F on Operation { noSuchField }", URL);
        let error = client.webhook_subscribe(&wrong).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Graphql);
        assert!(error.to_string().contains("noSuchField"), "{legacy_webhooks}: {error}");
    }
}

#[tokio::test]
async fn notes_are_listed_and_streamed_where_there_are_any() {
    for introspection in [true, false] {
        for setting in [ApiGeneration::Auto, ApiGeneration::G3, ApiGeneration::G2] {
            let sandbox = sandbox(Generation::G3, introspection).await;
            let client = client(&sandbox.endpoint(), setting, StreamTransport::Auto);
            let stream = client.note_events_stream(&NoteFilter::all().external_id("T-1")).unwrap();
            within(stream.opened()).await.unwrap();
            sandbox.add_note(NoteSpec::new("another")).unwrap();
            let spec = |text: &str| NoteSpec {
                id: Some("n-1".into()),
                external_id: "T-1".into(),
                images: Some(vec!["/1.png".into()]),
                ..NoteSpec::new(text)
            };
            sandbox.add_note(spec("worn")).unwrap();
            sandbox.add_note(spec("mended")).unwrap();
            let first = within(stream.next()).await.unwrap().unwrap();
            let second = within(stream.next()).await.unwrap().unwrap();
            assert_eq!((first.text.as_deref(), first.event_type.as_deref()), (Some("worn"), Some("new")));
            assert_eq!(
                (second.text.as_deref(), second.event_type.as_deref()),
                (Some("mended"), Some("update"))
            );
            assert_eq!((first.id.as_deref(), second.id.as_deref()), (Some("n-1"), Some("n-1")));
            assert!(second.seq > first.seq && second.at >= first.at);
            let listed = client.note_events(&NoteFilter::all().id("n-1")).await.unwrap();
            let texts: Vec<_> = listed.iter().filter_map(|note| note.text.as_deref()).collect();
            assert_eq!(texts, ["worn", "mended"]);
            assert_eq!(client.note_events(&NoteFilter::all()).await.unwrap().len(), 3);
        }
    }
}

#[tokio::test]
async fn a_pico_without_notes_says_so_in_words_that_tell_what_to_do() {
    for introspection in [true, false] {
        for setting in [ApiGeneration::Auto, ApiGeneration::G2] {
            let sandbox = sandbox(Generation::G2, introspection).await;
            let client = client(&sandbox.endpoint(), setting, StreamTransport::Auto);
            let listed = client.note_events(&NoteFilter::all()).await.unwrap_err();
            let stream = client.note_events_stream(&NoteFilter::all()).unwrap();
            let streamed = within(stream.next()).await.unwrap().unwrap_err();
            for error in [listed, streamed] {
                assert_eq!(error.kind(), ErrorKind::Graphql, "{error}");
                assert!(error.to_string().contains("no notes, which came with generation G3"), "{error}");
            }
        }
    }
    let client = auto("http://127.0.0.1:9/graphql");
    let empty = client.note_events_stream(&NoteFilter::all().id(" ")).unwrap_err();
    assert_eq!(empty.kind(), ErrorKind::InvalidArgument);
}

#[tokio::test]
async fn the_path_is_found_where_the_endpoint_has_none_and_kept_where_it_has_one() {
    for (generation, introspection, expected) in SERVERS {
        let sandbox = sandbox(generation, introspection).await;
        let found = auto(&sandbox.url());
        // The first thing that is sent, whatever it is, goes to the right place.
        let reply = found.execute(Request::new("{ operations { id } }")).await.unwrap();
        assert!(reply.errors.is_empty() && reply.data.is_some());
        assert_eq!(found.endpoint(), format!("{}{}", sandbox.url(), expected.default_path()));
        assert_eq!(found.generation().await.unwrap(), expected);

        let given = auto(&sandbox.endpoint());
        assert_eq!(given.generation().await.unwrap(), expected);
        assert_eq!(given.endpoint(), sandbox.endpoint());
    }
    let sandbox = sandbox(Generation::G2, true).await;
    let elsewhere = auto(&format!("{}/graph/v2", sandbox.url()));
    let error = elsewhere.operations(&OperationFilter::all()).await.unwrap_err();
    assert_eq!((error.kind(), error.http_status()), (ErrorKind::HttpStatus, Some(404)), "{error}");
    let nowhere = auto(&format!("{}/nothing", sandbox.url()));
    assert_eq!(nowhere.generation().await.unwrap_err().http_status(), Some(404));
}

#[tokio::test]
async fn it_is_asked_for_once_however_many_wait_and_again_after_a_failure() {
    let sandbox = sandbox(Generation::G3, true).await;
    let client = auto(&sandbox.url());
    let calls = (0..20).map(|_| {
        let client = client.clone();
        async move { client.operations(&OperationFilter::all()).await.unwrap().len() }
    });
    let found = futures_util::future::join_all(calls).await;
    assert!(found.iter().all(|count| *count == found[0]));
    assert_eq!(sandbox.requests(), 21, "one question and twenty calls");

    let once = Client::builder(sandbox.endpoint())
        .generation(ApiGeneration::Auto)
        .proxy(Proxy::None)
        .retry(RetryPolicy::never())
        .build()
        .unwrap();
    sandbox.set_faults(Fault::status(503).times(1));
    let error = once.generation().await.unwrap_err();
    assert_eq!(error.http_status(), Some(503), "a failure is told and not taken for an answer");
    assert_eq!(once.generation().await.unwrap(), ApiGeneration::G3);
}

#[tokio::test]
async fn a_stream_waits_out_a_server_that_is_down_when_it_is_opened() {
    let sandbox = sandbox(Generation::G3, true).await;
    sandbox.set_faults(Fault::status(503).times(5));
    let client = client(&sandbox.url(), ApiGeneration::Auto, StreamTransport::Sse);
    let stream = client.order_completes_stream(&OrderCompleteFilter::all()).unwrap();
    tokio::time::timeout(DEADLINE, stream.opened()).await.unwrap().unwrap();
    assert_eq!(client.generation().await.unwrap(), ApiGeneration::G3);
}

#[tokio::test]
async fn a_set_generation_is_never_asked_for() {
    for (generation, setting) in [
        (Generation::G2, ApiGeneration::G2),
        (Generation::G3, ApiGeneration::G3),
        (Generation::G3, ApiGeneration::G2),
    ] {
        let sandbox = sandbox(generation, true).await;
        let client = client(&sandbox.url(), setting, StreamTransport::Auto);
        assert_eq!(client.generation().await.unwrap(), setting);
        assert_eq!(sandbox.requests(), 0);
        client.operations(&OperationFilter::all()).await.unwrap();
        assert_eq!(sandbox.requests(), 1);
    }
    let sandbox = sandbox(Generation::G2, true).await;
    let wrong = client(&sandbox.endpoint(), ApiGeneration::G3, StreamTransport::Auto);
    let error = wrong.operations(&OperationFilter::all()).await.unwrap_err();
    assert!(error.to_string().contains("externalCodes"), "{error}");
    assert!(error.to_string().contains("set G2 or auto"), "{error}");
    let stream = wrong.operations_stream(&OperationFilter::all()).unwrap();
    let error = within(stream.next()).await.unwrap().unwrap_err();
    assert!(error.to_string().contains("set G2 or auto"), "{error}");
}

#[tokio::test]
async fn the_oldest_lists_operations_and_registers_webhooks_and_its_completions_are_refused_by_field() {
    for introspection in [true, false] {
        let sandbox = sandbox(Generation::G1, introspection).await;
        sandbox.set_legacy_webhooks(true);
        let client = auto(&sandbox.url());
        assert!(!client.operations(&OperationFilter::all()).await.unwrap().is_empty());
        assert_eq!(client.generation().await.unwrap(), ApiGeneration::G2);
        let webhook = WebhookSubscribe::new("w", "fragment F on Operation { id }", URL);
        assert_eq!(client.webhook_subscribe(&webhook).await.unwrap().subscription_id.as_deref(), Some("w"));
        let error = client.order_completes(&OrderCompleteFilter::all()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Graphql);
        assert!(error.to_string().contains("orderIndex") || error.to_string().contains("\"at\""), "{error}");
    }
}

#[tokio::test]
async fn further_fields_of_a_save_are_sent_as_they_are() {
    let sandbox = sandbox(Generation::G3, true).await;
    let client = auto(&sandbox.endpoint());
    let order = OrderSave::new("op-abc-123", "E-1").extra("reservedSerialNumber", "RES-1");
    // The sandbox knows no such input, since Pico names none, and says what it got.
    let error = client.save_order(&order).await.unwrap_err();
    assert!(error.to_string().contains("reservedSerialNumber"), "{error}");
    assert!(sandbox.orders().is_empty());
}

#[tokio::test]
async fn a_server_that_allows_only_known_queries_is_used_as_before() {
    const JSON: &str = "application/json";
    let refused = reply("400 Bad Request", JSON, r#"{"errors":[{"message":"not in the list of queries"}]}"#);
    let listed = reply("200 OK", JSON, r#"{"data":{"operations":[]}}"#);
    let server = Server::start(vec![refused.clone(), refused, listed]).await;
    let client = auto(&server.endpoint());
    assert!(client.operations(&OperationFilter::all()).await.unwrap().is_empty());
    assert_eq!(client.generation().await.unwrap(), ApiGeneration::G2);
    let requests = server.requests();
    assert_eq!(requests.len(), 3);
    assert!(requests[0].contains("__schema") && requests[1].contains("@skip(if: true)"));
    assert!(!requests[2].contains("externalCodes"));
    assert!(requests.iter().all(|request| !request.contains("mutation ")));
}

#[tokio::test]
async fn a_log_in_page_is_no_answer_and_is_not_remembered() {
    let page = reply("200 OK", "text/html", "<html>log in</html>");
    let probed = reply("200 OK", "application/json", r#"{"data":{"__typename":"Query"}}"#);
    let server = Server::start(vec![page.clone(), page.clone(), page, probed]).await;
    let client = auto(&server.endpoint());
    assert_eq!(client.generation().await.unwrap_err().kind(), ErrorKind::NotJson);
    // A page for the introspection alone is one of something that watches over it.
    assert_eq!(client.generation().await.unwrap(), ApiGeneration::G3);
}

#[tokio::test]
async fn where_neither_path_is_served_the_error_names_both() {
    let server = Server::start(vec![reply("404 Not Found", "text/plain", "")]).await;
    let host = server.endpoint().replace("/graphql", "");
    let error = auto(&host).operations(&OperationFilter::all()).await.unwrap_err();
    assert_eq!((error.kind(), error.http_status()), (ErrorKind::HttpStatus, Some(404)));
    let text = error.to_string();
    assert!(
        text.contains("/graph/v2") && text.contains("/graphql") && text.contains("set the endpoint"),
        "{text}"
    );
}
