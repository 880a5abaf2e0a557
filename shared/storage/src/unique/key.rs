use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher as _;

use arrow::array::{Array as _, ArrayRef, AsArray as _};
use arrow::datatypes::{Date32Type, Decimal128Type, Int64Type, TimestampMicrosecondType};

use super::sorter::Entry;

/// An entry for each value of the column; rows are numbered on from `first_row`. None for a type whose
/// equality is not that of its bytes, which proves nothing.
pub(super) fn keys(values: &ArrayRef, first_row: u64) -> Option<Box<dyn Iterator<Item = Entry> + '_>> {
    let rows = (0..values.len()).filter(|row| values.is_valid(*row));
    let entry = move |row: usize, hash: u128| Entry::new(hash, first_row + row as u64);
    // What has no more bits than the hash is its own.
    let whole = |whole: i64| u128::from(whole.cast_unsigned());
    Some(if let Some(texts) = values.as_string_opt::<i32>() {
        Box::new(rows.map(move |row| entry(row, hash(texts.value(row).as_bytes()))))
    } else if let Some(wholes) = values.as_primitive_opt::<Int64Type>() {
        Box::new(rows.map(move |row| entry(row, whole(wholes.value(row)))))
    } else if let Some(days) = values.as_primitive_opt::<Date32Type>() {
        Box::new(rows.map(move |row| entry(row, whole(days.value(row).into()))))
    } else if let Some(instants) = values.as_primitive_opt::<TimestampMicrosecondType>() {
        Box::new(rows.map(move |row| entry(row, whole(instants.value(row)))))
    } else if let Some(decimals) = values.as_primitive_opt::<Decimal128Type>() {
        Box::new(rows.map(move |row| entry(row, decimals.value(row).cast_unsigned())))
    } else if let Some(pseudonyms) = values.as_fixed_size_binary_opt() {
        // They are hashes already.
        let half = move |row: usize| {
            pseudonyms
                .value(row)
                .first_chunk()
                .map(|it| u128::from_le_bytes(*it))
        };
        Box::new(rows.filter_map(move |row| Some(entry(row, half(row)?))))
    } else {
        return None;
    })
}

/// Two 64-bit SipHashes of the text, told apart by what goes before it.
fn hash(text: &[u8]) -> u128 {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        hasher.write_u8(salt);
        hasher.write(text);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}
