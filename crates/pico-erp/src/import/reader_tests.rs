use proptest::prelude::*;

use super::super::order::{ImportedOperation, PartRevision};
use super::*;

fn read(text: &str, format: ImportFormat) -> Vec<(u64, Result<ImportedOrder, Error>)> {
    ImportReader::from_reader(text.as_bytes(), format).unwrap().lines().unwrap().collect()
}

fn order(id: &str, operation: &str, index: u32, quantity: u32, optional: &[&str]) -> ImportedOrder {
    ImportedOrder {
        external_order_id: id.to_owned(),
        operation: ImportedOperation::Id(operation.to_owned()),
        order_index: index,
        quantity,
        select_optional_operation_ids: optional.iter().map(|id| (*id).to_owned()).collect(),
    }
}

#[test]
fn csv_is_read_as_spreadsheets_write_it() {
    let expected = [(2, order("E-1", "op", 2, 3, &["a", "b"])), (4, order("E,2", "op", 0, 1, &[]))];
    for text in [
        "externalOrderId,operationId,orderIndex,quantity,selectOptionalOperationIds\nE-1,op,2,3,a;b\n\n\"E,2\",op,,,\n",
        "\u{feff}external_order_id;operation_id;order_index;quantity;select_optional_operation_ids\r\nE-1;op;2;3;\"a;b\"\r\n\r\nE,2;op;0;1;\r\n;;;;\r\n",
        "Quantity\tOrder Index\tEXTERNAL ORDER ID\toperation-id\tselectOptionalOperationIds\n3\t2\t E-1 \top\ta; b;\n\n\t\tE,2\top",
    ] {
        let lines: Vec<_> =
            read(text, ImportFormat::Csv).into_iter().map(|(line, it)| (line, it.unwrap())).collect();
        assert_eq!(lines, expected, "{text:?}");
    }
}

#[test]
fn json_lines_have_the_same_fields() {
    let text = "\u{feff}{\"externalOrderId\":\"E-1\",\"operationId\":\"op\",\"orderIndex\":2,\"quantity\":3,\"selectOptionalOperationIds\":[\"a\",\"b\"]}\r\n\n{\"external_order_id\":7,\"partNumber\":\"P\",\"revision\":null}";
    let mut lines = read(text, ImportFormat::JsonLines).into_iter();
    let (line, first) = lines.next().unwrap();
    assert_eq!((line, first.unwrap()), (1, order("E-1", "op", 2, 3, &["a", "b"])));
    let (line, second) = lines.next().unwrap();
    let second = second.unwrap();
    let part = PartRevision { part_number: "P".to_owned(), revision: None };
    assert_eq!((line, second.external_order_id.as_str()), (3, "7"));
    assert_eq!(second.operation, ImportedOperation::Part(part));
    assert!(lines.next().is_none());
}

#[test]
fn what_is_wrong_is_named_by_line_and_column_and_the_rest_goes_on() {
    const HEAD: &str = "externalOrderId,operationId,partNumber,orderIndex,quantity";
    for (format, text, expected) in [
        (ImportFormat::Csv, format!("{HEAD}\n,op,,,\nE,op,,,"), "line 2, externalOrderId: is empty"),
        (ImportFormat::Csv, format!("{HEAD}\n\nE,,,,\nE,op,,,"), "line 3, operationId: is empty"),
        (ImportFormat::Csv, format!("{HEAD}\nE,op,P,,\nE,op,,,"), "line 2, operationId: is given as well"),
        (
            ImportFormat::Csv,
            format!("{HEAD}\nE,op,,-1,\nE,op,,,"),
            "line 2, orderIndex: \"-1\" is no whole number",
        ),
        (
            ImportFormat::Csv,
            format!("{HEAD}\r\nE,op,,,0\r\nE,op,,,"),
            "line 2, quantity: \"0\" is no whole number from 1",
        ),
        (ImportFormat::Csv, format!("{HEAD}\nE,op,,,1e9\nE,op,,,"), "line 2, quantity: \"1e9\""),
        (ImportFormat::Csv, format!("{HEAD}\nE,op,,2147483647,2\nE,op,,,"), "line 2, quantity: leads beyond"),
        (ImportFormat::Csv, format!("{HEAD}\nE,op,,,,,x\nE,op,,,"), "line 2, column 6: is one more"),
        (
            ImportFormat::JsonLines,
            "{\"a\":\n{\"externalOrderId\":\"E\",\"operationId\":\"op\"}".to_owned(),
            "line 1, column 5: is no JSON object",
        ),
        (
            ImportFormat::JsonLines,
            "{\"externalOrderId\":[]}\n{\"externalOrderId\":\"E\",\"operationId\":\"op\"}".to_owned(),
            "line 1, externalOrderId: must be",
        ),
        (
            ImportFormat::JsonLines,
            "{\"quantitiy\":3}\n{\"externalOrderId\":\"E\",\"operationId\":\"op\"}".to_owned(),
            "line 1, quantitiy: is not known",
        ),
    ] {
        let lines = read(&text, format);
        assert_eq!(lines.len(), 2, "{text:?}");
        let error = lines[0].1.as_ref().unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
        assert_eq!(lines[1].1.as_ref().unwrap(), &order("E", "op", 0, 1, &[]));
    }
}

#[test]
fn a_header_that_is_none_of_orders_is_refused_as_a_whole() {
    for (text, expected) in [
        ("", "header: is missing"),
        ("E-1,op\n", "line 1, column 1: \"E-1\" is not known"),
        ("externalOrderId,operationId,quantitiy\n", "line 1, column 3: \"quantitiy\" is not known"),
        ("externalOrderId,operationId,operation_id\n", "line 1, column 3: \"operation_id\" is there twice"),
        ("\n\nexternalOrderId,quantity\n", "line 3, header: must name"),
    ] {
        let reader = ImportReader::from_reader(text.as_bytes(), ImportFormat::Csv).unwrap();
        let error = reader.lines().err().unwrap();
        assert!(error.to_string().starts_with(expected), "{text:?}: {error}");
    }
    let reader = ImportReader::from_reader(
        "externalOrderId,operationId,customer\nE,op,X".as_bytes(),
        ImportFormat::Csv,
    );
    assert_eq!(reader.unwrap().ignore_unknown_columns().lines().unwrap().count(), 1);
}

#[test]
fn no_two_orders_have_the_same_line_whatever_ends_the_lines() {
    let text = "externalOrderId,operationId\rA,op\r\nB,op\n\r\n\"C\nC\",op\rD,op";
    let lines: Vec<u64> = read(text, ImportFormat::Csv).into_iter().map(|(line, _)| line).collect();
    assert_eq!(lines, [2, 3, 5, 7]);
}

#[test]
fn bytes_that_are_no_utf_8_are_named_and_a_digest_is_of_name_and_content() {
    let reader =
        ImportReader::from_reader(&b"externalOrderId,operationId\nE\xe4,op\n"[..], ImportFormat::Csv)
            .unwrap();
    let (_, first) = reader.lines().unwrap().next().unwrap();
    assert!(first.unwrap_err().to_string().starts_with("line 2, externalOrderId: is not UTF-8"));
    assert_eq!(reader.digest("a").len(), 64);
    assert_eq!(reader.digest("a"), reader.digest("a"));
    assert_ne!(reader.digest("a"), reader.digest("b"));
}

#[test]
fn the_format_of_a_file_is_told_by_its_first_character() {
    let folder = tempfile::tempdir().unwrap();
    for (name, content, format) in [
        ("a.txt", "externalOrderId,operationId\n", ImportFormat::Csv),
        ("b.txt", "\u{feff} {\"externalOrderId\":\"E\"}\n", ImportFormat::JsonLines),
    ] {
        std::fs::write(folder.path().join(name), content).unwrap();
        let reader = ImportReader::open(folder.path().join(name)).unwrap();
        assert_eq!((reader.format(), reader.name()), (format, name));
    }
    let error = ImportReader::open(folder.path().join("none")).unwrap_err();
    assert!(error.to_string().starts_with("path: "), "{error}");
}

proptest! {
    #[test]
    fn no_text_makes_a_reader_panic_or_lines_go_back(text in "[a-z,;\"\\r\\n{}:0-9]{0,200}", csv in any::<bool>()) {
        let format = if csv { ImportFormat::Csv } else { ImportFormat::JsonLines };
        let text = if csv { format!("externalOrderId,operationId,quantity\n{text}") } else { text };
        let mut last = 0;
        for (line, _) in read(&text, format) {
            prop_assert!(line > last, "{line} after {last}");
            last = line;
        }
    }
}
