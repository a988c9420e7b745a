//! [`Proxy`]: which proxy a request goes through, decided in one place for every transport.

use std::fmt;

use http::Uri;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use url::Url;

use crate::error::Error;

/// How connections leave the machine.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Proxy {
    /// As `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` say.
    #[default]
    Environment,
    /// Directly, whatever the environment says.
    None,
    /// Through this proxy.
    Explicit {
        /// `http://`, `https://`, `socks4://`, `socks5://` or `socks5h://`, with user and password where needed.
        url: String,
        /// Hosts to reach directly, in the form of `NO_PROXY`: names, `.suffixes`, addresses, CIDR blocks,
        /// separated by commas. May be empty.
        no_proxy: String,
    },
}

/// Without the proxy's user and password. A text that is no URL may hold them anywhere, so nothing of it is shown.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment => f.write_str("Environment"),
            Self::None => f.write_str("None"),
            Self::Explicit { url, no_proxy } => {
                let place = Url::parse(url).ok().and_then(|url| {
                    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
                    Some(format!("{}://{}{port}", url.scheme(), url.host_str()?))
                });
                f.debug_struct("Explicit").field("url", &place).field("no_proxy", no_proxy).finish()
            }
        }
    }
}

/// A checked [`Proxy`], ready to be asked.
pub(crate) struct ProxyResolver {
    settings: Proxy,
    matcher: Option<Matcher>,
}

impl ProxyResolver {
    pub(crate) fn new(settings: Proxy) -> Result<Self, Error> {
        let matcher = match &settings {
            Proxy::None => None,
            Proxy::Environment => Some(Matcher::from_env()),
            Proxy::Explicit { url, no_proxy } => {
                let parsed = Url::parse(url).map_err(|error| {
                    Error::invalid("proxy", format!("is not a URL such as http://proxy:3128 ({error})"))
                })?;
                if !matches!(parsed.scheme(), "http" | "https" | "socks4" | "socks4a" | "socks5" | "socks5h")
                {
                    return Err(Error::invalid(
                        "proxy",
                        format!(
                            "has the scheme \"{}\"; use http, https, socks4, socks5 or socks5h",
                            parsed.scheme()
                        ),
                    ));
                }
                Some(Matcher::builder().all(url.as_str()).no(no_proxy.as_str()).build())
            }
        };
        Ok(Self { settings, matcher })
    }

    /// The proxy's address for `target`, without credentials, or `None` for a direct connection.
    pub(crate) fn for_target(&self, target: &Uri) -> Option<String> {
        let intercept = self.intercept(target)?;
        let uri = intercept.uri();
        Some(format!("{}://{}", uri.scheme_str().unwrap_or("http"), host_and_port(uri)))
    }

    /// The proxy for `target` with all that is needed to use it.
    pub(crate) fn intercept(&self, target: &Uri) -> Option<Intercept> {
        self.matcher.as_ref()?.intercept(target)
    }

    /// Hands the same decision to reqwest.
    pub(crate) fn apply(&self, builder: reqwest::ClientBuilder) -> Result<reqwest::ClientBuilder, Error> {
        match &self.settings {
            // reqwest asks the same matcher of hyper-util's.
            Proxy::Environment => Ok(builder),
            Proxy::None => Ok(builder.no_proxy()),
            Proxy::Explicit { url, no_proxy } => {
                let proxy = reqwest::Proxy::all(url)
                    .map_err(|error| Error::invalid("proxy", "cannot be used").with_source(error))?
                    .no_proxy(reqwest::NoProxy::from_string(no_proxy));
                Ok(builder.proxy(proxy))
            }
        }
    }
}

fn host_and_port(uri: &Uri) -> String {
    let host = uri.host().unwrap_or_default();
    uri.port_u16().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_explicit_proxy_serves_all_but_its_exceptions_and_never_shows_its_password() {
        let proxy = Proxy::Explicit {
            url: "http://user:pass@proxy.example:3128".into(),
            no_proxy: "plant.example,10.0.0.0/8".into(),
        };
        let resolver = ProxyResolver::new(proxy).unwrap();
        let ask = |uri: &str| resolver.for_target(&uri.parse().unwrap());
        assert_eq!(ask("https://other.example/graphql").as_deref(), Some("http://proxy.example:3128"));
        assert_eq!(ask("https://plant.example/graphql"), None);
        assert_eq!(ask("http://10.1.2.3/graphql"), None);
    }

    #[test]
    fn a_proxys_user_and_password_are_never_shown() {
        for url in ["http://user:s3cret@proxy.example:3128", "user:s3cret@proxy:3128", "http://user:s3cret@"]
        {
            let shown = format!("{:?}", Proxy::Explicit { url: url.into(), no_proxy: "a.example".into() });
            assert!(!shown.contains("s3cret") && !shown.contains("user"), "{shown}");
        }
        let proxy =
            Proxy::Explicit { url: "http://user:s3cret@proxy.example:3128".into(), no_proxy: String::new() };
        assert!(format!("{proxy:?}").contains("http://proxy.example:3128"));
    }

    #[test]
    fn a_proxy_that_cannot_be_one_is_refused() {
        for url in ["", "proxy:3128", "ftp://proxy"] {
            let settings = Proxy::Explicit { url: url.into(), no_proxy: String::new() };
            assert!(ProxyResolver::new(settings).is_err(), "{url:?}");
        }
    }
}
