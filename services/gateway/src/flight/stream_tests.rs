//! The two ways of framing the same messages, against Arrow's own libraries and against any bytes.

use std::slice;
use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Int64Array, ListArray, RecordBatch, StringArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{Int32Type, Int64Type};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use arrow_flight::encode::{DictionaryHandling, FlightDataEncoderBuilder};
use arrow_flight::{FlightData, FlightDescriptor};
use bytes::{BufMut as _, Bytes, BytesMut};
use futures::executor::block_on;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use proptest::prelude::*;
use prost::Message as _;

use super::from_flight::{Fault, FromFlight, MAX_DESCRIPTOR_BYTES};
use super::head::Kind;
use super::to_flight::{Broken, IpcPieces, Piece, framed};

const MAX_HEADER: usize = 1 << 20;

fn batch(numbers: &[Option<i64>]) -> RecordBatch {
    let words = numbers.iter().map(|it| it.map(|it| format!("word {}", it % 3)));
    let words: Vec<_> = words.collect();
    let lists = numbers.iter().map(|it| it.map(|it| vec![Some(it), None]));
    let columns: [(&str, ArrayRef); 4] = [
        ("number", Arc::new(Int64Array::from(numbers.to_vec()))),
        ("word", Arc::new(StringArray::from(words.clone()))),
        (
            "code",
            Arc::new(
                words
                    .iter()
                    .map(Option::as_deref)
                    .collect::<DictionaryArray<Int32Type>>(),
            ),
        ),
        (
            "list",
            Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(lists)),
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
}

fn batches() -> impl Strategy<Value = Vec<RecordBatch>> {
    let numbers = prop::collection::vec(prop::option::of(0..1000_i64), 0..40);
    // At least one, which has the schema; of one dictionary, for a file has no second.
    prop::collection::vec(numbers, 1..4).prop_map(|all| {
        let whole: Vec<_> = all.concat();
        let whole = batch(&whole);
        let mut first = 0;
        let parts = all.iter().map(|it| {
            let part = whole.slice(first, it.len());
            first += it.len();
            part
        });
        parts.collect()
    })
}

fn stream_of(batches: &[RecordBatch]) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batches[0].schema()).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.into_inner().unwrap()
}

fn file_of(batches: &[RecordBatch], alignment: usize) -> Vec<u8> {
    let options = IpcWriteOptions::try_new(alignment, false, arrow::ipc::MetadataVersion::V5).unwrap();
    let mut writer = FileWriter::try_new_with_options(Vec::new(), &batches[0].schema(), options).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.into_inner().unwrap()
}

fn read(stream: &[u8]) -> Vec<RecordBatch> {
    let batches = StreamReader::try_new(stream, None).unwrap();
    batches.map(Result::unwrap).collect()
}

/// The bytes in pieces of these sizes, in turn.
fn chunks(bytes: &[u8], sizes: &[usize]) -> Vec<Bytes> {
    let (mut left, mut chunks) = (Bytes::copy_from_slice(bytes), Vec::new());
    for size in sizes.iter().cycle() {
        if left.is_empty() {
            break;
        }
        chunks.push(left.split_to(left.len().min(*size)));
    }
    chunks
}

/// The frames of a stream, and whether it came to its end.
fn to_flight(stream: &[u8], sizes: &[usize]) -> Result<(Vec<u8>, bool), Broken> {
    let (mut pieces, mut frames) = (IpcPieces::new(), Vec::new());
    for mut chunk in chunks(stream, sizes) {
        while let Some(piece) = pieces.next(&mut chunk)? {
            frames.extend_from_slice(&framed(piece)?);
        }
        assert!(chunk.is_empty() || pieces.has_ended());
    }
    Ok((frames, pieces.has_ended()))
}

/// The descriptor of frames, and their stream.
fn from_flight(frames: &[u8], sizes: &[usize]) -> Result<(Option<Bytes>, Vec<u8>), Fault> {
    let (mut reader, mut stream) = (FromFlight::new(MAX_HEADER), BytesMut::new());
    for chunk in chunks(frames, sizes) {
        reader.take(chunk, &mut stream)?;
    }
    let descriptor = reader.descriptor().cloned();
    reader.finish(&mut stream)?;
    Ok((descriptor, stream.to_vec()))
}

fn frame(message: &[u8]) -> Vec<u8> {
    let mut frame = vec![0];
    frame.put_u32(u32::try_from(message.len()).unwrap());
    frame.extend_from_slice(message);
    frame
}

fn frames(messages: &[FlightData]) -> Vec<u8> {
    messages
        .iter()
        .flat_map(|it| frame(&it.encode_to_vec()))
        .collect()
}

/// The messages that frames hold, read as Arrow's own library does.
fn messages(mut frames: &[u8]) -> Vec<FlightData> {
    let mut messages = Vec::new();
    while let [0, a, b, c, d, rest @ ..] = frames {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        messages.push(FlightData::decode(&rest[..length]).unwrap());
        frames = &rest[length..];
    }
    assert!(frames.is_empty());
    messages
}

fn descriptor() -> FlightDescriptor {
    FlightDescriptor::new_path(vec!["table".to_owned(), "orders".to_owned()])
}

/// What a caller sends of these rows.
fn sent(batches: &[RecordBatch]) -> Vec<FlightData> {
    let messages = FlightDataEncoderBuilder::new()
        .with_schema(batches[0].schema())
        .with_flight_descriptor(Some(descriptor()))
        .with_dictionary_handling(DictionaryHandling::Resend)
        .build(stream::iter(batches.to_vec()).map(Ok));
    block_on(messages.try_collect()).unwrap()
}

/// All rows, however they were cut.
fn whole(batches: &[RecordBatch]) -> RecordBatch {
    concat_batches(&batches[0].schema(), batches).unwrap()
}

proptest! {
    #[test]
    fn what_arrow_sends_is_what_arrow_reads(
        batches in batches(),
        sizes in prop::collection::vec(1..300_usize, 1..6),
    ) {
        let (encoded, stream) = from_flight(&frames(&sent(&batches)), &sizes).unwrap();
        prop_assert_eq!(encoded.unwrap(), descriptor().encode_to_vec());
        let schema = batches[0].schema();
        prop_assert_eq!(concat_batches(&schema, &read(&stream)).unwrap(), whole(&batches));
    }

    #[test]
    fn a_stream_goes_there_and_back_as_it_was(
        batches in batches(),
        sizes in prop::collection::vec(1..300_usize, 1..6),
    ) {
        let stream = stream_of(&batches);
        let (frames, ended) = to_flight(&stream, &sizes).unwrap();
        prop_assert!(ended);
        let mut messages = messages(&frames);
        messages[0].flight_descriptor = Some(descriptor());
        let (_, back) = from_flight(&self::frames(&messages), &sizes).unwrap();
        prop_assert!(back == stream);
    }

    #[test]
    fn a_file_is_read_as_the_stream_in_it(
        batches in batches(),
        sizes in prop::collection::vec(1..300_usize, 1..6),
        alignment in prop::sample::select(vec![8, 16, 64]),
    ) {
        let (frames, ended) = to_flight(&file_of(&batches, alignment), &sizes).unwrap();
        prop_assert!(ended);
        let (_, stream) = from_flight(&frames, &sizes).unwrap();
        prop_assert_eq!(read(&stream), batches);
    }

    /// Neither any bytes, nor good ones of which some were changed, end otherwise than with an error; and how
    /// they are cut makes no difference.
    #[test]
    fn nothing_that_comes_does_harm(
        noise in prop::collection::vec(any::<u8>(), 0..200),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
        sizes in prop::collection::vec(1..50_usize, 1..6),
    ) {
        let rows = [batch(&[Some(1), None, Some(3)])];
        let (mut flight, mut ipc) = (frames(&sent(&rows)), stream_of(&rows));
        for good in [&mut flight, &mut ipc] {
            for (at, byte) in &changes {
                let at = at.index(good.len());
                good[at] = *byte;
            }
        }
        flight.truncate(cut.index(flight.len()) + 1);
        for bytes in [&noise, &flight] {
            prop_assert_eq!(from_flight(bytes, &sizes), from_flight(bytes, &[usize::MAX]));
        }
        for bytes in [&noise, &ipc] {
            prop_assert_eq!(to_flight(bytes, &sizes), to_flight(bytes, &[usize::MAX]));
        }
    }
}

/// A message of these fields, each with its number.
fn fields(fields: &[(u32, &[u8])]) -> Vec<u8> {
    let mut message = BytesMut::new();
    for (number, value) in fields {
        prost::encoding::encode_key(*number, prost::encoding::WireType::LengthDelimited, &mut message);
        prost::encoding::encode_varint(value.len() as u64, &mut message);
        message.put_slice(value);
    }
    message.to_vec()
}

#[test]
fn what_is_no_stream_of_rows_is_refused_by_what_is_wrong_with_it() {
    let good = sent(&[batch(&[Some(1)])]);
    let (schema, dictionary, rows) = (&good[0], &good[1], &good[2]);
    let (begin, header) = (frames(slice::from_ref(schema)), &rows.data_header[..]);
    let after = |message: &[u8]| [begin.clone(), frame(message)].concat();
    let body = &rows.data_body[..];
    let longer = [body, b"12345678"].concat();
    for (bytes, expected) in [
        (Vec::new(), "before its schema"),
        (frames(&[FlightData::default()]), "before its schema"),
        (vec![0, 0, 0], "ends within a message"),
        (begin[..begin.len() - 1].to_vec(), "ends within a message"),
        (
            frames(slice::from_ref(rows)),
            "message 1 cannot be read: the schema must come first",
        ),
        (
            frames(&[schema.clone(), schema.clone()]),
            "message 2 cannot be read: it is a second schema",
        ),
        (
            after(&fields(&[(2, b"nonsense")])),
            "message 2 cannot be read: its header is no message",
        ),
        (
            after(&fields(&[(2, header), (1000, &longer)])),
            "and its header says",
        ),
        (after(&fields(&[(2, header)])), "its body has 0 bytes"),
        (
            after(&fields(&[(1000, body), (2, header)])),
            "a body stands before its header",
        ),
        (
            after(&fields(&[(2, header), (1000, body), (1000, body)])),
            "two bodies",
        ),
        (after(&fields(&[(2, header), (2, header)])), "two headers"),
        (after(&[0x0a, 0x7f]), "longer than its message"),
        (after(&[0x12]), "longer than its message"),
        (after(&[0x10, 0x00]), "of another type"),
        (after(&[0x33]), "of no type"),
        (after(&[0x02, 0x00]), "the number 0"),
        (after(&[0xff; 11]), "a number is too long"),
    ] {
        match from_flight(&bytes, &[7]).unwrap_err() {
            Fault::Malformed(what) => assert!(what.contains(expected), "{what}: {expected}"),
            other => panic!("{other:?}: {expected}"),
        }
    }
    assert_eq!(from_flight(&[1, 0, 0, 0, 0], &[7]), Err(Fault::Compressed));
    assert!(dictionary.data_header.len() > 8);
}

#[test]
fn what_is_too_large_is_refused_before_it_comes() {
    let mut begin = vec![0];
    begin.put_u32(u32::MAX);
    for (key, most, what) in [
        (0x0a, MAX_DESCRIPTOR_BYTES, "descriptor of message 1"),
        (0x12, MAX_HEADER as u64, "header of message 1"),
    ] {
        let mut message = BytesMut::from(&begin[..]);
        message.put_u8(key);
        prost::encoding::encode_varint(most + 1, &mut message);
        match from_flight(&message, &[3]).unwrap_err() {
            Fault::TooLarge(why) => assert!(why.contains(what), "{why}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_is_of_no_interest_is_passed_over() {
    let rows = [batch(&[Some(1), None])];
    let plain = from_flight(&frames(&sent(&rows)), &[64]).unwrap();
    let mut others = Vec::new();
    for message in sent(&rows) {
        // Metadata with and without data, a field that nobody knows, and numbers of all widths.
        others.extend_from_slice(&frame(
            &[
                &message.encode_to_vec()[..],
                &fields(&[(3, b"metadata"), (77, b"what"), (4, b"")]),
                &[0xa0, 0x06, 0xff, 0x01],
                &[0xa1, 0x06, 1, 2, 3, 4, 5, 6, 7, 8],
                &[0xa5, 0x06, 1, 2, 3, 4],
            ]
            .concat(),
        ));
        others.extend_from_slice(&frame(&fields(&[(3, b"progress"), (2, b""), (1000, b"")])));
        others.extend_from_slice(&frame(&fields(&[(1, b"a descriptor that is late")])));
    }
    assert_eq!(from_flight(&others, &[5]).unwrap(), plain);
}

#[test]
fn a_descriptor_may_come_alone() {
    let mut messages = sent(&[batch(&[Some(1)])]);
    let alone = FlightData {
        flight_descriptor: messages[0].flight_descriptor.take(),
        ..Default::default()
    };
    messages.insert(0, alone);
    let (encoded, _) = from_flight(&frames(&messages), &[9]).unwrap();
    assert_eq!(encoded.unwrap(), descriptor().encode_to_vec());
}

#[test]
fn a_stream_that_is_none_is_broken() {
    let stream = stream_of(&[batch(&[Some(1)])]);
    let cut = &stream[..stream.len() - 9];
    assert!(!to_flight(cut, &[8]).unwrap().1);
    for bytes in [
        &b"PAR1PAR1"[..],
        b"\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xff\xff\xff\xff\x04\0\0\0abcd",
    ] {
        assert!(to_flight(bytes, &[3]).is_err(), "{bytes:?}");
    }
}

/// pyarrow takes rows without a body for broken.
#[test]
fn rows_have_a_body_even_where_it_is_empty() {
    let nothing =
        RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(Vec::<i64>::new())) as ArrayRef)]);
    let (frames, _) = to_flight(&stream_of(&[nothing.unwrap()]), &[64]).unwrap();
    let [schema, rows] = &messages(&frames)[..] else {
        panic!("{frames:?}");
    };
    assert!(schema.data_body.is_empty() && rows.data_body.is_empty());
    assert!(frames.ends_with(&[0xc2, 0x3e, 0]));
}

#[test]
fn a_header_is_told_with_the_length_of_its_body() {
    let mut stream = Bytes::from(stream_of(&[batch(&[Some(1), Some(2)])]));
    let mut pieces = IpcPieces::new();
    let (mut kinds, mut open) = (Vec::new(), 0);
    while let Some(piece) = pieces.next(&mut stream).unwrap() {
        match piece {
            Piece::Header(head, _) => {
                assert_eq!(open, 0);
                kinds.push(head.kind);
                open = head.body_bytes;
            }
            Piece::Body(body) => open -= body.len() as u64,
        }
    }
    assert_eq!(kinds, [Kind::Schema, Kind::Dictionary, Kind::Batch]);
}
