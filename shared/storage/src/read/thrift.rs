//! A look over the Thrift structures of a Parquet file before the decoder takes them at their word.
//!
//! The decoder reserves memory by the sizes that a file declares, and walks the schema by recursion: a
//! file of a few bytes could end the process. What passes here says nothing that its own bytes do not
//! back. The rule that keeps it right: a field that the decoder knows must have the type on the wire
//! that the decoder takes for granted, so that both read the same structure from the same bytes.

use super::ReadError;

/// Bytes of the footer's metadata at most; those of a thousand columns in a hundred row groups fit.
pub(super) const MAX_FOOTER_BYTES: usize = 16 << 20;
/// Bytes that a page, unpacked, may have.
const MAX_PAGE_BYTES: i64 = 256 << 20;
/// Elements of a list, and so columns and row groups.
const MAX_LIST: usize = 32 << 10;
const MAX_NAME_BYTES: usize = 1 << 10;
/// Of the schema's tree. A table is flat; deeper ones are read only to say that they are not.
const MAX_SCHEMA_DEPTH: usize = 8;
const MAX_DEPTH: usize = 32;

/// What a value is on the wire.
enum Shape {
    Bool,
    Byte,
    I16,
    I32,
    I64,
    Double,
    Binary,
    /// A binary that the decoder copies once for each column below it.
    Name,
    /// An i32 that is looked at, at most once in a structure.
    Kept(usize),
    Struct(Fields),
    /// An element of the schema's tree, whose count of children is kept at 0.
    Element(Fields),
    List(&'static Shape),
}

type Fields = &'static [(i16, Shape)];

use Shape::{Binary, Bool, Byte, Double, Element, I16, I32, I64, Kept, List, Name, Struct};

const FILE: Fields = &[
    (1, I32),
    (2, List(&Element(SCHEMA_ELEMENT))),
    (3, I64),
    (4, List(&Struct(ROW_GROUP))),
    (5, List(&Struct(KEY_VALUE))),
    (6, Binary),
    (7, List(&Struct(COLUMN_ORDER))),
];
const SCHEMA_ELEMENT: Fields = &[
    (1, I32),
    (2, I32),
    (3, I32),
    (4, Name),
    (5, Kept(0)),
    (6, I32),
    (7, I32),
    (8, I32),
    (9, I32),
    (10, Struct(LOGICAL_TYPE)),
];
const LOGICAL_TYPE: Fields = &[
    (1, Struct(&[])),
    (2, Struct(&[])),
    (3, Struct(&[])),
    (4, Struct(&[])),
    (5, Struct(&[(1, I32), (2, I32)])),
    (6, Struct(&[])),
    (7, Struct(TIME)),
    (8, Struct(TIME)),
    (10, Struct(&[(1, Byte), (2, Bool)])),
    (11, Struct(&[])),
    (12, Struct(&[])),
    (13, Struct(&[])),
    (14, Struct(&[])),
    (15, Struct(&[])),
    (16, Struct(&[(1, Byte)])),
    (17, Struct(&[(1, Binary)])),
    (18, Struct(&[(1, Binary), (2, I32)])),
];
const TIME: Fields = &[
    (1, Bool),
    (2, Struct(&[(1, Struct(&[])), (2, Struct(&[])), (3, Struct(&[]))])),
];
const KEY_VALUE: Fields = &[(1, Binary), (2, Binary)];
const COLUMN_ORDER: Fields = &[(1, Struct(&[]))];
const ROW_GROUP: Fields = &[
    (1, List(&Struct(COLUMN_CHUNK))),
    (2, I64),
    (3, I64),
    (4, List(&Struct(&[(1, I32), (2, Bool), (3, Bool)]))),
    (5, I64),
    (7, I16),
];
const COLUMN_CHUNK: Fields = &[
    (1, Binary),
    (2, I64),
    (3, Struct(COLUMN_METADATA)),
    (4, I64),
    (5, I32),
    (6, I64),
    (7, I32),
];
const COLUMN_METADATA: Fields = &[
    (1, I32),
    (2, List(&I32)),
    (4, I32),
    (5, I64),
    (6, I64),
    (7, I64),
    (9, I64),
    (10, I64),
    (11, I64),
    (12, Struct(STATISTICS)),
    (13, List(&Struct(&[(1, I32), (2, I32), (3, I32)]))),
    (14, I64),
    (15, I32),
    (16, Struct(&[(1, I64), (2, List(&I64)), (3, List(&I64))])),
    (17, Struct(&[(1, Struct(BOX)), (2, List(&I32))])),
];
const STATISTICS: Fields = &[
    (1, Binary),
    (2, Binary),
    (3, I64),
    (4, I64),
    (5, Binary),
    (6, Binary),
    (7, Bool),
    (8, Bool),
];
const BOX: Fields = &[
    (1, Double),
    (2, Double),
    (3, Double),
    (4, Double),
    (5, Double),
    (6, Double),
    (7, Double),
    (8, Double),
];

const PAGE_HEADER: Fields = &[
    (1, I32),
    (2, Kept(0)),
    (3, I32),
    (4, I32),
    (5, Struct(&[(1, I32), (2, Kept(1)), (3, I32), (4, I32)])),
    (6, Struct(&[])),
    (7, Struct(&[(1, Kept(2)), (2, I32), (3, Bool)])),
    (
        8,
        Struct(&[
            (1, I32),
            (2, I32),
            (3, I32),
            (4, Kept(3)),
            (5, I32),
            (6, I32),
            (7, Bool),
        ]),
    ),
];
const DELTA_LENGTH_BYTE_ARRAY: i64 = 6;
const DELTA_BYTE_ARRAY: i64 = 7;

/// Looks over the metadata of a footer.
pub(super) fn check_footer(metadata: &[u8]) -> Result<(), ReadError> {
    let mut look = Look::at(metadata);
    look.fields(FILE, 0).map_err(refuse)?;
    if !is_tree(&look.children) {
        return Err(refuse(Fault("its schema is no tree of a reasonable depth")));
    }
    Ok(())
}

/// What a page's header says about the page.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Page {
    /// Bytes of the page, unpacked.
    Of(u64),
    /// The header goes on behind the bytes that were given.
    CutShort,
}

/// Looks over the header that `bytes` begin with.
pub(super) fn check_page(bytes: &[u8]) -> Result<Page, ReadError> {
    let mut look = Look::at(bytes);
    match look.fields(PAGE_HEADER, 0) {
        Err(CUT_SHORT) => return Ok(Page::CutShort),
        other => other.map_err(refuse)?,
    }
    let [size, encoding, dictionary, encoding_v2] = look.kept;
    let size = size.unwrap_or(0);
    if !(0..=MAX_PAGE_BYTES).contains(&size) {
        return Err(refuse(Fault("a page has more than 256 MiB; write smaller pages")));
    }
    // Each value takes bytes of the page. Data pages are read in batches, a dictionary at once.
    if dictionary.is_some_and(|values| !(0..=size).contains(&values)) {
        return Err(refuse(Fault("a dictionary has more values than bytes")));
    }
    // What such a page holds is not known before it is unpacked: lengths of values that are not there,
    // and values that repeat the beginning of the one before.
    if [encoding, encoding_v2]
        .iter()
        .any(|it| matches!(it, Some(DELTA_LENGTH_BYTE_ARRAY | DELTA_BYTE_ARRAY)))
    {
        return Err(refuse(Fault(
            "texts are encoded by their differences (DELTA_BYTE_ARRAY); write them plainly or with a dictionary",
        )));
    }
    Ok(Page::Of(size.unsigned_abs()))
}

fn refuse(fault: Fault) -> ReadError {
    ReadError::content(format!("the file is not readable as Parquet: {}", fault.0))
}

/// Whether the counts of children, in the order of a walk down, are those of one tree. The decoder
/// makes room for as many children as are declared.
fn is_tree(children: &[i64]) -> bool {
    // For each group on the way down to here, how many children are still to come.
    let mut open: Vec<usize> = Vec::new();
    for (at, count) in children.iter().enumerate() {
        while open.last() == Some(&0) {
            open.pop();
        }
        match open.last_mut() {
            Some(left) => *left -= 1,
            None if at == 0 => {}
            None => return false,
        }
        match usize::try_from(*count) {
            Ok(count) if count < children.len() - at && open.len() < MAX_SCHEMA_DEPTH => open.push(count),
            _ => return false,
        }
    }
    open.iter().all(|left| *left == 0)
}

#[derive(Debug, PartialEq, Eq)]
struct Fault(&'static str);

const CUT_SHORT: Fault = Fault("its metadata is cut short");
const DAMAGED: Fault = Fault("its metadata is damaged");
const TOO_LONG: Fault = Fault("its metadata has a list that is too long");

/// Walks over bytes of Thrift's compact protocol.
struct Look<'a> {
    rest: &'a [u8],
    kept: [Option<i64>; 4],
    /// Of each element of the schema.
    children: Vec<i64>,
}

impl<'a> Look<'a> {
    const fn at(rest: &'a [u8]) -> Self {
        Self {
            rest,
            kept: [None; 4],
            children: Vec::new(),
        }
    }

    fn fields(&mut self, known: Fields, depth: usize) -> Result<(), Fault> {
        if depth > MAX_DEPTH {
            return Err(DAMAGED);
        }
        let mut id = 0_i16;
        loop {
            let head = self.byte()?;
            let wire = head & 0x0f;
            if wire == 0 {
                return Ok(());
            }
            id = match head >> 4 {
                0 => i16::try_from(self.zigzag()?).map_err(|_| DAMAGED)?,
                delta => id.checked_add(delta.into()).ok_or(DAMAGED)?,
            };
            match known.iter().find(|(it, _)| *it == id) {
                Some((_, shape)) => self.known(wire, shape, depth)?,
                None => self.unknown(wire, depth)?,
            }
        }
    }

    fn known(&mut self, wire: u8, shape: &Shape, depth: usize) -> Result<(), Fault> {
        match (shape, wire) {
            (Bool, 1 | 2) => Ok(()),
            (Byte, 3) => self.skip(1),
            (I16, 4) | (I32, 5) | (I64, 6) => self.varint().map(|_| ()),
            (Double, 7) => self.skip(8),
            (Binary, 8) => self.binary(usize::MAX),
            (Name, 8) => self.binary(MAX_NAME_BYTES),
            (Kept(place), 5) => {
                let value = self.zigzag()?;
                match self.kept[*place].replace(value) {
                    None => Ok(()),
                    Some(_) => Err(DAMAGED),
                }
            }
            (Struct(fields), 12) => self.fields(fields, depth + 1),
            (Element(fields), 12) => {
                self.fields(fields, depth + 1)?;
                self.children.push(self.kept[0].take().unwrap_or(0));
                Ok(())
            }
            (List(shape), 9) => {
                let (wire, size) = self.list()?;
                (0..size).try_for_each(|_| self.known(wire, shape, depth + 1))
            }
            _ => Err(DAMAGED),
        }
    }

    /// A field that the decoder passes over.
    fn unknown(&mut self, wire: u8, depth: usize) -> Result<(), Fault> {
        match wire {
            1 | 2 => Ok(()),
            3 => self.skip(1),
            4..=6 => self.varint().map(|_| ()),
            7 => self.skip(8),
            8 => self.binary(usize::MAX),
            9 | 10 if depth < MAX_DEPTH => {
                let (wire, size) = self.list()?;
                // Decoders do not agree on how long a truth value in a list is.
                if size > 0 && matches!(wire, 1 | 2) {
                    return Err(DAMAGED);
                }
                (0..size).try_for_each(|_| self.unknown(wire, depth + 1))
            }
            12 => self.fields(&[], depth + 1),
            13 => self.skip(16),
            _ => Err(DAMAGED),
        }
    }

    /// The type of a list's elements, and how many there are.
    fn list(&mut self) -> Result<(u8, usize), Fault> {
        let head = self.byte()?;
        let size = match head >> 4 {
            15 => usize::try_from(self.varint()?).map_err(|_| TOO_LONG)?,
            few => few.into(),
        };
        if size > MAX_LIST {
            return Err(TOO_LONG);
        }
        Ok((head & 0x0f, size))
    }

    fn binary(&mut self, most: usize) -> Result<(), Fault> {
        let length = usize::try_from(self.varint()?).map_err(|_| DAMAGED)?;
        if length > most {
            return Err(Fault("a column's name has more than 1024 bytes"));
        }
        self.skip(length)
    }

    fn byte(&mut self) -> Result<u8, Fault> {
        let (byte, rest) = self.rest.split_first().ok_or(CUT_SHORT)?;
        self.rest = rest;
        Ok(*byte)
    }

    fn skip(&mut self, count: usize) -> Result<(), Fault> {
        self.rest = self.rest.get(count..).ok_or(CUT_SHORT)?;
        Ok(())
    }

    fn varint(&mut self) -> Result<u64, Fault> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DAMAGED)
    }

    fn zigzag(&mut self) -> Result<i64, Fault> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason<T: std::fmt::Debug>(result: Result<T, ReadError>) -> String {
        match result {
            Err(ReadError::Content { reason, .. }) => reason,
            other => panic!("{other:?}"),
        }
    }

    /// The name `a`, `children` children and the end of an element.
    fn element(children: u8) -> Vec<u8> {
        vec![0x48, 1, b'a', 0x15, children << 1, 0]
    }

    fn schema(elements: &[Vec<u8>]) -> Vec<u8> {
        let size = elements.len().try_into().unwrap();
        [&[0x29, 0xfc, size][..], &elements.concat(), &[0]].concat()
    }

    #[test]
    fn a_list_is_no_longer_than_its_bytes() {
        // Two thousand million row groups, and none there.
        assert!(reason(check_footer(&[0x49, 0xfc, 0xff, 0xff, 0xff, 0xff, 7])).contains("too long"));
        // Thirty thousand.
        assert!(reason(check_footer(&[0x49, 0xfc, 0xb0, 0xea, 1])).contains("cut short"));
    }

    #[test]
    fn a_field_is_of_the_type_that_the_decoder_takes_it_for() {
        // Row groups as text, in which a list could hide.
        assert!(reason(check_footer(&[0x48, 1, 0, 0])).contains("damaged"));
        // A field that nobody knows may be anything but endlessly deep.
        assert!(check_footer(&[0x0b + 1, 0xc8, 1, 0, 0]).is_ok());
        assert!(reason(check_footer(&[0x0c, 0xc8, 1].repeat(50_000))).contains("damaged"));
        let lists = [&[0x09, 0xc8, 1][..], &[0x19; 50_000]].concat();
        assert!(reason(check_footer(&lists)).contains("damaged"));
    }

    #[test]
    fn the_schema_is_one_tree() {
        let good = [element(2), element(0), element(1), element(0)];
        assert!(check_footer(&schema(&good)).is_ok());
        for bad in [
            vec![element(60)],
            vec![element(1)],
            vec![element(0), element(0)],
            vec![element(1), element(0), element(0)],
            [vec![element(1); 20], vec![element(0)]].concat(),
        ] {
            assert!(reason(check_footer(&schema(&bad))).contains("no tree"), "{bad:?}");
        }
    }

    #[test]
    fn a_page_says_how_long_it_is_within_reason() {
        let page = |size: &[u8], more: &[u8]| check_page(&[&[0x15, 0, 0x15][..], size, more].concat());
        assert_eq!(page(&[0x80, 1], &[0]).unwrap(), Page::Of(64));
        assert_eq!(page(&[0x80], &[]).unwrap(), Page::CutShort);
        assert!(reason(page(&[0xfe, 0xff, 0xff, 0xff, 0xf], &[0])).contains("256 MiB"));
        // A negative one, then one told twice.
        assert!(reason(page(&[1], &[0])).contains("256 MiB"));
        assert!(reason(page(&[2], &[0x05, 4, 2, 0])).contains("damaged"));
        // A dictionary of 32 values in 4 bytes; a data page of differences.
        assert!(reason(page(&[8], &[0x5c, 0x15, 64, 0, 0])).contains("dictionary"));
        assert!(reason(page(&[8], &[0x3c, 0x15, 64, 0x15, 14, 0, 0])).contains("differences"));
    }
}
