//! [`ApiGeneration`]: which generation of Pico's API a client speaks, as a setting. What a server is, is found out by
//! `generation`.

use crate::error::Error;

/// A generation of Pico's API. It decides what is asked for, and the path where the endpoint has none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ApiGeneration {
    /// Found out from the server with the first request, once for all clones of a client; see [`crate::Client::generation`].
    Auto,
    /// The generation of Pico's "ERP Example Calls": path `/graphql`. Only what a newer one has as well is asked for, so
    /// that it works with both.
    #[default]
    G2,
    /// The newer one: path `/graph/v2`. An operation's codes and a completion's reserved serial and second order id are
    /// asked for, which a G2 server refuses.
    G3,
}

impl ApiGeneration {
    /// The path that this generation is served at; of [`ApiGeneration::Auto`] the one that is tried first.
    #[must_use]
    pub const fn default_path(self) -> &'static str {
        match self {
            Self::G2 => "/graphql",
            Self::Auto | Self::G3 => "/graph/v2",
        }
    }

    /// The name in settings: `auto`, `G2` or `G3`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::G2 => "G2",
            Self::G3 => "G3",
        }
    }
}

impl std::str::FromStr for ApiGeneration {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        [Self::Auto, Self::G2, Self::G3]
            .into_iter()
            .find(|generation| generation.name().eq_ignore_ascii_case(name))
            .ok_or_else(|| {
                Error::invalid("generation", format!("is \"{name}\"; give \"auto\", \"G2\" or \"G3\""))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generation_is_known_by_its_name() {
        for generation in [ApiGeneration::Auto, ApiGeneration::G2, ApiGeneration::G3] {
            assert_eq!(generation.name().to_lowercase().parse::<ApiGeneration>().unwrap(), generation);
        }
        let error = "G4".parse::<ApiGeneration>().unwrap_err().to_string();
        assert!(error.starts_with("generation: "), "{error}");
    }
}
