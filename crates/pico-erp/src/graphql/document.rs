//! What can be told of a GraphQL document by parsing it: is it a query, is a webhook's fragment sound.
//!
//! The schema is not consulted: a server may be newer than this crate.

use apollo_parser::cst::{CstNode, Definition, Document};
use apollo_parser::{Lexer, Parser, SyntaxTree, TokenKind};

use crate::error::Error;

/// The types that Pico's streams have, and so the only ones a webhook's fragment can be on.
///
/// Pico's pages say `Operation` and `OperationOrderComplete`; `SubOperation` and `NoteEvent` are deduced from the
/// streams of the same name.
pub(crate) const STREAM_TYPES: [&str; 4] =
    ["Operation", "SubOperation", "OperationOrderComplete", "NoteEvent"];

/// What an operation of a document does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OperationKind {
    Query,
    Mutation,
    Subscription,
}

/// Whether there is nothing in the text but white space, commas and comments (specification, section 2.1).
fn is_blank(text: &str) -> bool {
    text.lines().all(|line| {
        let rest = line.trim_start_matches(|c: char| c.is_whitespace() || c == ',' || c == '\u{feff}');
        rest.is_empty() || rest.starts_with('#')
    })
}

fn parse(field: &str, text: &str) -> Result<SyntaxTree<Document>, Error> {
    let tree = Parser::new(text).recursion_limit(200).parse();
    let first = tree.errors().next().map(|error| {
        let (line, column) = position(text, error.index());
        Error::invalid(field, format!("does not parse: {} (line {line}, column {column})", error.message()))
    });
    match first {
        Some(error) => Err(error),
        None => Ok(tree),
    }
}

/// Line and column of a byte offset, both from 1, the column in characters.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let before = &text[..offset];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// The text with nothing in it that GraphQL ignores: white space, line ends, commas, comments and a byte order mark
/// (specification, section 2.1.7). Two texts that mean the same, token by token, become the same. A text that is no
/// GraphQL stays as it is.
pub(crate) fn significant(text: &str) -> String {
    // The lexer takes a byte order mark for an error.
    let (tokens, errors) = Lexer::new(text.trim_start_matches('\u{feff}')).lex();
    if !errors.is_empty() {
        return text.to_owned();
    }
    let ignored =
        |kind| matches!(kind, TokenKind::Whitespace | TokenKind::Comma | TokenKind::Comment | TokenKind::Eof);
    let tokens: Vec<&str> =
        tokens.iter().filter(|token| !ignored(token.kind())).map(|token| token.data()).collect();
    tokens.join(" ")
}

/// The kind of the operation that a server would run.
pub(crate) fn operation_kind(text: &str, name: Option<&str>) -> Result<OperationKind, Error> {
    const NOTHING: &str = "holds no query, mutation or subscription";
    if is_blank(text) {
        return Err(Error::invalid("query", NOTHING));
    }
    let tree = parse("query", text)?;
    let operations: Vec<_> = tree
        .document()
        .definitions()
        .filter_map(|definition| match definition {
            Definition::OperationDefinition(operation) => Some(operation),
            _ => None,
        })
        .collect();
    let chosen = match (name, operations.as_slice()) {
        (_, []) => {
            return Err(Error::invalid("query", "holds no query, mutation or subscription"));
        }
        (None, [only]) => only,
        (None, _) => {
            return Err(Error::invalid(
                "operation_name",
                "the document holds several operations; name the one to run",
            ));
        }
        (Some(name), all) => {
            all.iter().find(|operation| operation.name().is_some_and(|it| it.text() == name)).ok_or_else(
                || Error::invalid("operation_name", format!("the document holds no operation \"{name}\"")),
            )?
        }
    };
    Ok(match chosen.operation_type() {
        Some(kind) if kind.mutation_token().is_some() => OperationKind::Mutation,
        Some(kind) if kind.subscription_token().is_some() => OperationKind::Subscription,
        _ => OperationKind::Query,
    })
}

/// Checks a webhook's `responseFragment` as far as that can be done without the server.
pub(crate) fn check_response_fragment(text: &str) -> Result<(), Error> {
    const FIELD: &str = "response_fragment";
    const MODEL: &str = "such as: fragment Done on OperationOrderComplete { externalOrderId at }";
    if is_blank(text) {
        return Err(Error::invalid(FIELD, format!("holds no fragment; give one {MODEL}")));
    }
    let tree = parse(FIELD, text)?;
    let mut fragments = Vec::new();
    for definition in tree.document().definitions() {
        match definition {
            Definition::FragmentDefinition(fragment) => fragments.push(fragment),
            other => {
                let start: String = other.source_string().chars().take(20).collect();
                return Err(Error::invalid(
                    FIELD,
                    format!("holds \"{start}...\"; give one fragment only, {MODEL}"),
                ));
            }
        }
    }
    let fragment = match fragments.as_slice() {
        [only] => only,
        [] => {
            return Err(Error::invalid(FIELD, format!("holds no fragment; give one {MODEL}")));
        }
        many => {
            return Err(Error::invalid(FIELD, format!("holds {} fragments; Pico takes one", many.len())));
        }
    };
    let on = fragment
        .type_condition()
        .and_then(|condition| condition.named_type())
        .and_then(|named| named.name())
        .map(|name| name.text().to_string())
        .unwrap_or_default();
    if !STREAM_TYPES.contains(&on.as_str()) {
        return Err(Error::invalid(
            FIELD,
            format!("is on \"{on}\", which no stream has; it can be on {}", STREAM_TYPES.join(", ")),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operation_that_runs_is_told() {
        use OperationKind::{Mutation, Query, Subscription};
        for (text, name, kind) in [
            ("{ operations { id } }", None, Query),
            ("query { operations { id } }", None, Query),
            ("# mutation\nquery A { a } mutation B { b }", Some("A"), Query),
            ("query A { a } mutation B { b }", Some("B"), Mutation),
            ("fragment F on Operation { id } subscription { operationsStream { ...F } }", None, Subscription),
        ] {
            assert_eq!(operation_kind(text, name).unwrap(), kind, "{text}");
        }
    }

    #[test]
    fn a_document_without_a_clear_operation_is_refused() {
        for (text, name, says) in [
            ("", None, "holds no query"),
            ("fragment F on Operation { id }", None, "holds no query"),
            ("query A { a } query B { b }", None, "several operations"),
            ("query A { a }", Some("B"), "no operation \"B\""),
            ("query {", None, "does not parse"),
            ("{ a }\n}", None, "line 2, column 1"),
        ] {
            let error = operation_kind(text, name).unwrap_err().to_string();
            assert!(error.contains(says), "{text:?}: {error}");
        }
    }

    #[test]
    fn documents_that_mean_the_same_become_the_same() {
        const PLAIN: &str = "fragment F on Operation{id name operation(a:\"x, y\"){id}}";
        for (text, same) in [
            (PLAIN, true),
            (" fragment F on Operation\r\n{ id,, name\n operation ( a : \"x, y\" ) { id } } # done", true),
            ("\u{feff}fragment F on Operation {\tid, name, operation(a: \"x, y\") { id, }, }", true),
            ("fragment F on Operation { id name operation(a: \"x y\") { id } }", false),
            ("fragment F on Operation { name id operation(a: \"x, y\") { id } }", false),
            ("fragment F on Operation { idname operation(a: \"x, y\") { id } }", false),
            ("fragment F on Operation { ... }", false),
            ("fragment F on Operation { \"", false),
            ("", false),
        ] {
            assert_eq!(significant(text) == significant(PLAIN), same, "{text}");
        }
    }

    #[test]
    fn a_fragment_is_checked_before_pico_sees_it() {
        check_response_fragment("fragment F on Operation { id externalId name }").unwrap();
        check_response_fragment("fragment F on OperationOrderComplete { operation { id } at }").unwrap();
        for (text, says) in [
            ("", "holds no fragment"),
            ("fragment F on Operation { id", "does not parse"),
            ("{ operations { id } }", "give one fragment only"),
            ("fragment A on Operation { id } fragment B on Operation { id }", "holds 2 fragments"),
            ("fragment F on OperationSummary { startedAt }", "no stream has"),
            ("# nothing", "holds no fragment"),
            ("fragment F on Operation { }", "does not parse"),
        ] {
            let error = check_response_fragment(text).unwrap_err().to_string();
            assert!(error.starts_with("response_fragment: ") && error.contains(says), "{text:?}: {error}");
        }
    }
}
