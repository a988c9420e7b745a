//! The POST to a webhook: one try, a time-out, no redirects, no proxy. It knows nothing of GraphQL; what it sends
//! and when is decided in `webhooks`.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use rustls_platform_verifier::Verifier;
use serde_json::Value as Json;
use url::Url;

use crate::error::{Error, ErrorKind};
use crate::floor::Delivery;
use crate::time::Time;

/// Posts payloads.
#[derive(Clone)]
pub(crate) struct Sender {
    client: Client,
}

impl Sender {
    /// A sender that trusts what the machine trusts, and the certificates in `extra_roots` (PEM).
    pub(crate) fn new(timeout: Duration, extra_roots: Option<&str>) -> Result<Self, Error> {
        let client = Client::builder()
            .tls_backend_preconfigured(tls(extra_roots)?)
            .timeout(timeout)
            .redirect(Policy::none())
            // A proxy of the environment is for the way out; receivers under test are on this machine.
            .no_proxy()
            .build()
            .map_err(|error| {
                Error::new(ErrorKind::Tls, "cannot set up the webhook client").caused_by(error)
            })?;
        Ok(Sender { client })
    }

    /// The headers to send, from `webhookHeaders`: an object of strings, numbers or booleans.
    pub(crate) fn headers(&self, given: Option<&Json>) -> Result<HeaderMap, Error> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let given = match given {
            None | Some(Json::Null) => return Ok(headers),
            Some(Json::Object(given)) => given,
            Some(_) => {
                return Err(Error::invalid("webhookHeaders: must be an object of header names and values"));
            }
        };
        for (name, value) in given {
            let text = match value {
                Json::String(text) => text.clone(),
                Json::Number(_) | Json::Bool(_) => value.to_string(),
                _ => return Err(Error::invalid(format!("webhookHeaders.{name}: must be a string"))),
            };
            // The value may be a secret, so it is not repeated in the message.
            let refuse = |what| Error::invalid(format!("webhookHeaders.{name}: is no valid header {what}"));
            let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refuse("name"))?;
            let mut value = HeaderValue::from_str(&text).map_err(|_| refuse("value"))?;
            value.set_sensitive(true);
            headers.insert(header, value);
        }
        Ok(headers)
    }

    /// Posts once and says what became of it.
    pub(crate) async fn post(
        &self,
        subscription_id: &str,
        url: &Url,
        headers: &HeaderMap,
        payload: &[u8],
        at: Time,
    ) -> Delivery {
        let body = payload.to_vec();
        let answer = self.client.post(url.clone()).headers(headers.clone()).body(body).send().await;
        let (status, error) = match answer {
            Ok(answer) if answer.status().is_success() => (Some(answer.status().as_u16()), None),
            Ok(answer) => {
                let status = answer.status();
                (Some(status.as_u16()), Some(format!("the receiver answered {status}")))
            }
            Err(error) => (None, Some(chain(&error))),
        };
        if let Some(error) = &error {
            tracing::warn!(subscription_id, error, "webhook delivery failed, the event is dropped");
        }
        Delivery {
            status,
            delivered: error.is_none(),
            error,
            ..Delivery::of(subscription_id, url, payload, at)
        }
    }
}

impl Delivery {
    fn of(subscription_id: &str, url: &Url, payload: &[u8], at: Time) -> Self {
        Delivery {
            subscription_id: subscription_id.to_owned(),
            webhook_url: url.to_string(),
            at,
            body: String::from_utf8_lossy(payload).into_owned(),
            status: None,
            delivered: false,
            error: None,
        }
    }

    /// One that was not even tried.
    pub(crate) fn dropped(subscription_id: &str, url: &Url, payload: &[u8], at: Time) -> Self {
        let error = Some("not sent: the sandbox drops what it has for webhooks".to_owned());
        Delivery { error, ..Delivery::of(subscription_id, url, payload, at) }
    }
}

/// An error with its causes: reqwest's own text stops at "error sending request".
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

fn tls(extra_roots: Option<&str>) -> Result<ClientConfig, Error> {
    let fail = |what: &str, cause: Box<dyn std::error::Error + Send + Sync>| {
        Error::new(ErrorKind::Tls, format!("{what}: {cause}")).caused_by(cause)
    };
    let extra: Vec<CertificateDer<'static>> = match extra_roots {
        Some(pem) => CertificateDer::pem_slice_iter(pem.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|error| fail("webhook_ca_pem holds no PEM certificates", format!("{error:?}").into()))?,
        None => Vec::new(),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| fail("cannot set up TLS", error.into()))?;
    match Verifier::new_with_extra_roots(extra.iter().cloned(), provider) {
        Ok(verifier) => {
            Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth())
        }
        // A machine without any root certificate, such as a bare container, must still run a sandbox.
        Err(error) => {
            tracing::warn!(%error, "no platform certificates: webhooks over https trust only webhook_ca_pem");
            let mut roots = RootCertStore::empty();
            for certificate in extra {
                roots.add(certificate).map_err(|error| fail("webhook_ca_pem", error.into()))?;
            }
            Ok(builder.with_root_certificates(roots).with_no_client_auth())
        }
    }
}
