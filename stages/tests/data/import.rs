//! `import`: any image size, merge tables, and files that are not what they say.

use serde_json::{Value, json};
use stages::artifact::dataset::{Dataset, Pixels};
use stages::data::import::KIND;

use crate::bench::{Bench, gzip};

fn idx(dims: &[u32], body: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 8, dims.len() as u8];
    file.extend(dims.iter().flat_map(|d| d.to_be_bytes()));
    file.extend(body);
    file
}

fn import(images: &[u8], labels: &[u8], with: &Value) -> Result<Dataset, String> {
    let bench = Bench::new();
    let (images, labels) = (bench.write("images", images), bench.write("labels", labels));
    let outputs = bench.run(&KIND, with, &[("images", &[&images]), ("labels", &[&labels])], "")?;
    Ok(Dataset::open(&outputs["dataset"]).unwrap())
}

fn error(images: &[u8], labels: &[u8], with: Value) -> String {
    import(images, labels, &with).err().expect("it is refused")
}

/// Four images of 2 x 1 pixels.
fn images() -> Vec<u8> {
    idx(&[4, 2, 1], &[1, 2, 3, 4, 5, 6, 7, 8])
}

fn labels() -> Vec<u8> {
    idx(&[4], &[2, 0, 1, 2])
}

fn bytes(set: &Dataset) -> Vec<u8> {
    match set.pixels().unwrap() {
        Pixels::U8(bytes) => bytes.to_vec(),
        Pixels::F32(_) => panic!("raw pixels are bytes"),
    }
}

#[test]
fn without_a_table_every_label_is_a_class() {
    let set = import(&images(), &labels(), &Value::Null).unwrap();
    assert_eq!((set.shape, bytes(&set)), ([4, 2, 1, 1], vec![1, 2, 3, 4, 5, 6, 7, 8]));
    assert_eq!((&set.labels, &set.original_labels), (&vec![2, 0, 1, 2], &vec![2, 0, 1, 2]));
    assert_eq!((&set.classes, &set.original_classes), (&vec!["0".into(), "1".into(), "2".into()], &set.classes));
}

#[test]
fn packed_files_and_channels_are_read_alike() {
    let colour = idx(&[2, 1, 2, 3], &[9; 12]);
    let set = import(&gzip(&colour), &gzip(&idx(&[2], &[0, 1])), &Value::Null).unwrap();
    assert_eq!((set.shape, bytes(&set)), ([2, 1, 2, 3], vec![9; 12]));
}

#[test]
fn a_table_merges_labels_in_class_order() {
    let with = json!({
        "classes": [{"name": "upper", "labels": [2, 1]}, {"name": "shoe", "labels": [0]}],
        "names": ["sneaker", "coat", "shirt"],
    });
    let set = import(&images(), &labels(), &with).unwrap();
    assert_eq!((&set.labels, &set.original_labels), (&vec![0, 1, 0, 0], &vec![2, 0, 1, 2]));
    assert_eq!((set.classes, set.original_classes.len()), (vec!["upper".to_owned(), "shoe".to_owned()], 3));
}

#[test]
fn a_table_must_place_every_label_once() {
    let classes = |classes: Value| json!({"classes": classes});
    let error = |with| error(&images(), &labels(), with);
    assert!(
        error(classes(json!([{"name": "a", "labels": [0]}])))
            .contains("in no class of the table `classes`: label 1, 2")
    );
    let twice = json!([{"name": "a", "labels": [0, 1]}, {"name": "b", "labels": [2, 1]}]);
    assert_eq!(error(classes(twice)), "classes.1.labels.1: label 1 is in class `a` already");
    let named = json!([{"name": "a", "labels": [0, 1]}, {"name": "a", "labels": [2]}]);
    assert_eq!(error(classes(named)), "classes.1.name: two classes are called `a`");
    assert_eq!(error(classes(json!([{"name": "a", "labels": []}]))), "classes.0.labels: class `a` has no label");
    assert_eq!(error(classes(json!([]))), "classes: the table has no class");
    assert!(error(classes(json!([{"name": "a", "labels": [256]}]))).starts_with("classes.0.labels.0:"));
    let with = json!({"classes": [{"name": "a", "labels": [0, 1]}], "names": ["x", "y", "z"]});
    assert_eq!(error(with), "classes: in no class: label 2 (z)");
    assert!(error(json!({"names": ["x", "y"]})).contains("label 2 has no name"));
    assert_eq!(error(json!({"names": ["x", "x"]})), "names.1: two labels are called `x`");
}

#[test]
fn files_that_do_not_fit_are_refused() {
    let more = idx(&[5], &[0; 5]);
    assert_eq!(error(&images(), &more, Value::Null), "there are 4 images but 5 labels");
    assert!(error(&labels(), &labels(), Value::Null).contains("the images have dimensions [4]"));
    assert!(error(&images(), &images(), Value::Null).contains("the labels have dimensions [4, 2, 1], not [N]"));
    let said = error(&[images(), vec![0]].concat(), &labels(), Value::Null);
    assert!(
        said.starts_with("input `images` (") && said.contains("expected 24 bytes (16 of header), got 25"),
        "{said}"
    );
}

#[test]
fn damaged_gzip_is_refused() {
    let packed = gzip(&images());
    let cut = error(&packed[..packed.len() - 10], &labels(), Value::Null);
    assert!(cut.contains("expected 24 bytes") && cut.contains("breaks off"), "{cut}");
    let mut flipped = packed.clone();
    let checksum = packed.len() - 8;
    flipped[checksum] ^= 1;
    assert!(error(&flipped, &labels(), Value::Null).contains("damaged gzip"));
}
