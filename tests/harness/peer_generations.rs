//! The generations of Pico's API with graphql-yoga as the server: each is found out, with its schema shown and hidden.

use futures_util::future::join_all;
use pico_erp::{
    ApiGeneration, Client, ErrorKind, NoteFilter, OperationFilter, OrderCompleteFilter, OrderSave,
    OrderSaved, Proxy, StreamPolicy, StreamTransport, Token, WebhookSubscribe,
};

use super::{EXTENSION, Peer, Server, TOKEN, next, opened};

/// A yoga, what it is and where, and how its streams go.
#[derive(Clone, Copy, Debug)]
struct Case {
    expected: ApiGeneration,
    introspection: bool,
    path: &'static str,
    legacy_webhooks: bool,
    transport: StreamTransport,
}

impl Case {
    async fn start(self) -> Server {
        let mut variables = vec![("PEER_PATH", self.path)];
        if self.expected == ApiGeneration::G3 {
            variables.push(EXTENSION);
        }
        if !self.introspection {
            variables.push(("PEER_INTROSPECTION", "off"));
        }
        if self.legacy_webhooks {
            variables.push(("PEER_LEGACY_WEBHOOKS", "on"));
        }
        let peer = Peer { program: "yoga.mjs", transport: self.transport };
        Server::start_with(peer, 0, &variables).await
    }

    /// A client that is told nothing but the host.
    fn client(self, server: &Server) -> Client {
        let host = server.endpoint.strip_suffix(self.path).expect("the endpoint ends with the path");
        let stream = StreamPolicy { transport: self.transport, ..StreamPolicy::default() };
        Client::builder(host)
            .generation(ApiGeneration::Auto)
            .token(Token::fixed(TOKEN))
            .proxy(Proxy::None)
            .stream(stream)
            .build()
            .unwrap()
    }
}

/// Runs a test against all of them at once.
async fn each(test: impl AsyncFn(Case, Server, Client)) {
    let case = |expected, introspection, path, legacy_webhooks, transport| Case {
        expected,
        introspection,
        path,
        legacy_webhooks,
        transport,
    };
    let (sse, socket) = (StreamTransport::Sse, StreamTransport::WebSocket);
    let cases = [
        case(ApiGeneration::G2, true, "/graphql", false, sse),
        case(ApiGeneration::G2, false, "/graphql", true, socket),
        case(ApiGeneration::G2, true, "/graphql", true, sse),
        case(ApiGeneration::G3, true, "/graph/v2", false, socket),
        case(ApiGeneration::G3, false, "/graph/v2", false, sse),
        case(ApiGeneration::G3, false, "/graphql", true, sse),
    ];
    join_all(cases.map(async |case| {
        let server = case.start().await;
        let client = case.client(&server);
        test(case, server, client).await;
    }))
    .await;
}

#[tokio::test]
async fn it_is_found_out_and_everything_works_with_it() {
    each(async |case, server, client| {
        assert_eq!(client.generation().await.unwrap(), case.expected, "{case:?}");
        assert_eq!(client.endpoint(), server.endpoint, "{case:?}");
        let is_g3 = case.expected == ApiGeneration::G3;
        let operations = client.operations(&OperationFilter::all().id("op-gearbox")).await.unwrap();
        let codes = is_g3.then(|| vec!["PN-2000".to_owned()]);
        assert_eq!(operations[0].external_codes, codes, "{case:?}");

        let stream = client.order_completes_stream(&OrderCompleteFilter::all()).unwrap();
        opened(server.peer, &stream).await;
        let saved = client.save_order(&OrderSave::new("op-gearbox", "E-1")).await.unwrap();
        assert_eq!(saved, OrderSaved::Created, "{case:?}");
        let done = next(server.peer, &stream).await.unwrap();
        assert_eq!(done.reserved_serial_number.as_deref(), is_g3.then_some("R-1"), "{case:?}");
        let listed = client.order_completes(&OrderCompleteFilter::all()).await.unwrap();
        assert_eq!(listed[0].reserved_serial_number, done.reserved_serial_number, "{case:?}");

        let webhook = WebhookSubscribe::order_completes("w", "http://127.0.0.1:9/");
        let ensured = client.ensure_webhook(&webhook, None).await.unwrap();
        let fragment = ensured.webhook.response_fragment.unwrap();
        assert_eq!(fragment.contains("reservedSerialNumber"), is_g3, "{case:?}");
        assert_eq!(client.webhooks().await.unwrap().len(), 1, "{case:?}");
    })
    .await;
}

#[tokio::test]
async fn notes_are_there_or_are_said_not_to_be() {
    each(async |case, server, client| {
        let stream = client.note_events_stream(&NoteFilter::all()).unwrap();
        if case.expected == ApiGeneration::G3 {
            opened(server.peer, &stream).await;
            client.save_order(&OrderSave::new("op-motor", "E-1")).await.unwrap();
            let note = next(server.peer, &stream).await.unwrap();
            assert_eq!((note.seq, note.text.as_deref()), (1, Some("done")), "{case:?}");
            let listed = client.note_events(&NoteFilter::all()).await.unwrap();
            assert_eq!((listed.len(), listed[0].at), (1, note.at), "{case:?}");
        } else {
            let streamed = next(server.peer, &stream).await.unwrap_err();
            let listed = client.note_events(&NoteFilter::all()).await.unwrap_err();
            for error in [streamed, listed] {
                assert_eq!(error.kind(), ErrorKind::Graphql, "{case:?}: {error}");
                assert!(error.to_string().contains("no notes"), "{case:?}: {error}");
            }
        }
    })
    .await;
}
