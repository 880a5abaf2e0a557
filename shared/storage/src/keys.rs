//! What the values of a project are keyed with, so that equal ones are equal in all of its tables and
//! tell nothing outside of it.
//!
//! From the project's one secret come keys of independent uses: whoever learns one of them learns neither
//! the others nor the secret.

use std::fmt::{self, Write as _};

use arrow::array::{Array as _, ArrayRef, AsArray as _, FixedSizeBinaryArray, Int64Array};
use arrow::buffer::Buffer;
use arrow::datatypes::Int64Type;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use siphasher::sip::SipHasher24;
use zeroize::Zeroizing;

/// Bytes of a pseudonym, as Arrow counts them.
pub const PSEUDONYM_BYTES: i32 = 32;

/// The secret of a project. It is never printed, and wiped when it goes.
#[derive(Clone)]
pub struct ProjectSecret(Zeroizing<[u8; 32]>);

impl ProjectSecret {
    /// From 32 bytes that nobody can guess.
    #[must_use]
    pub const fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// To be sealed, and for nothing else.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The keys that are derived from it.
    #[must_use]
    pub fn keys(&self) -> ProjectKeys {
        let mut ids = Zeroizing::new([0; 16]);
        ids.copy_from_slice(&self.derive("ids")[..16]);
        let fingerprint = &self.derive("fingerprint")[..8];
        ProjectKeys {
            ids: SipHasher24::new_with_key(&ids),
            pseudonyms: keyed(&self.derive("pseudonyms")),
            fingerprint: hex::encode(fingerprint),
        }
    }

    fn derive(&self, label: &str) -> Zeroizing<[u8; 32]> {
        let mut mac = keyed(&self.0);
        mac.update(label.as_bytes());
        Zeroizing::new(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for ProjectSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProjectSecret")
    }
}

fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    // HMAC itself fills a key up to a block.
    let mut block = Zeroizing::new([0; 64]);
    block[..32].copy_from_slice(key);
    Hmac::new((&*block).into())
}

/// Keys derived from the secret of a project.
#[derive(Clone)]
pub struct ProjectKeys {
    ids: SipHasher24,
    /// Has taken its key in already: a value costs no more than itself.
    pseudonyms: Hmac<Sha256>,
    fingerprint: String,
}

impl fmt::Debug for ProjectKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProjectKeys")
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

impl ProjectKeys {
    /// Names the secret and tells nothing of it: 16 hexadecimal digits. Ids of one fingerprint can be compared.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The ids of values: SipHash-2-4 of a text's UTF-8, a whole number's 8 bytes, least first, or the
    /// bytes themselves. No value has no id. None for columns of other types.
    #[must_use]
    pub fn ids(&self, values: &ArrayRef) -> Option<Int64Array> {
        let id = |bytes: &[u8]| self.ids.hash(bytes).cast_signed();
        let rows = 0..values.len();
        let ids: Vec<i64> = if let Some(texts) = values.as_string_opt::<i32>() {
            rows.map(|row| id(texts.value(row).as_bytes())).collect()
        } else if let Some(wholes) = values.as_primitive_opt::<Int64Type>() {
            wholes
                .values()
                .iter()
                .map(|whole| id(&whole.to_le_bytes()))
                .collect()
        } else if let Some(fixed) = values.as_fixed_size_binary_opt() {
            rows.map(|row| id(fixed.value(row))).collect()
        } else {
            return None;
        };
        Some(Int64Array::new(ids.into(), values.nulls().cloned()))
    }

    /// The pseudonyms of values: HMAC-SHA-256 of a text's UTF-8, or of a whole number's decimal digits, so that
    /// it is of no matter as which of them an identity is kept. No value has no pseudonym. None for columns of
    /// other types.
    #[must_use]
    pub fn pseudonyms(&self, values: &ArrayRef) -> Option<FixedSizeBinaryArray> {
        let mut bytes = Vec::with_capacity(values.len() * PSEUDONYM_BYTES as usize);
        let mut add = |value: Option<&[u8]>| match value {
            Some(value) => {
                let mut mac = self.pseudonyms.clone();
                mac.update(value);
                bytes.extend_from_slice(&mac.finalize().into_bytes());
            }
            None => bytes.extend_from_slice(&[0; PSEUDONYM_BYTES as usize]),
        };
        if let Some(texts) = values.as_string_opt::<i32>() {
            texts.iter().for_each(|text| add(text.map(str::as_bytes)));
        } else if let Some(wholes) = values.as_primitive_opt::<Int64Type>() {
            let mut digits = String::new();
            for whole in wholes {
                digits.clear();
                let written = whole.map(|whole| write!(digits, "{whole}"));
                add(written.map(|_| digits.as_bytes()));
            }
        } else {
            return None;
        }
        FixedSizeBinaryArray::try_new(PSEUDONYM_BYTES, Buffer::from_vec(bytes), values.nulls().cloned()).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{FixedSizeBinaryArray, Float64Array, StringArray};

    use super::*;

    fn keys(byte: u8) -> ProjectKeys {
        ProjectSecret::new(Zeroizing::new([byte; 32])).keys()
    }

    #[test]
    fn ids_are_of_the_bytes_and_of_the_secret() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec![
            Some("\u{1}\0\0\0\0\0\0\0"),
            None,
            Some("b"),
        ]));
        let wholes: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
        let of_texts = keys(1).ids(&texts).unwrap();
        let of_wholes = keys(1).ids(&wholes).unwrap();
        assert_eq!(of_texts.value(0), of_wholes.value(0));
        assert!(of_texts.is_null(1) && of_wholes.is_null(1));
        assert_ne!(of_texts.value(0), of_texts.value(2));
        assert_ne!(of_texts.value(0), keys(2).ids(&texts).unwrap().value(0));
        let bytes = FixedSizeBinaryArray::try_from_iter([b"b"].into_iter()).unwrap();
        let of_bytes = keys(1).ids(&(Arc::new(bytes) as ArrayRef)).unwrap();
        assert_eq!(of_bytes.value(0), of_texts.value(2));
        let doubles: ArrayRef = Arc::new(Float64Array::from(vec![0.0]));
        assert!(keys(1).ids(&doubles).is_none());
    }

    #[test]
    fn pseudonyms_are_hmacs_of_the_values() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("-17"), None, Some("b")]));
        let wholes: ArrayRef = Arc::new(Int64Array::from(vec![Some(-17), None]));
        let of_texts = keys(1).pseudonyms(&texts).unwrap();
        assert_eq!(of_texts.value(0), keys(1).pseudonyms(&wholes).unwrap().value(0));
        assert!(of_texts.is_null(1));
        assert_ne!(of_texts.value(0), of_texts.value(2));
        assert_ne!(of_texts.value(0), keys(2).pseudonyms(&texts).unwrap().value(0));
        let secret = ProjectSecret::new(Zeroizing::new([1; 32]));
        let mut mac = keyed(&secret.derive("pseudonyms"));
        mac.update(b"b");
        assert_eq!(of_texts.value(2), mac.finalize().into_bytes().as_slice());
        let pseudonyms: ArrayRef = Arc::new(of_texts);
        assert!(keys(1).pseudonyms(&pseudonyms).is_none());
        assert!(keys(1).ids(&pseudonyms).unwrap().is_null(1));
    }

    #[test]
    fn ids_stay_what_they_are() {
        // What other versions of this program wrote is compared with.
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["ann@example.com"]));
        let keys = keys(7);
        let id = keys.ids(&texts).unwrap().value(0);
        assert_eq!(
            (id, keys.fingerprint()),
            (-3_983_450_093_177_869_478, "e6579d34737b8352")
        );
        let pseudonyms = keys.pseudonyms(&texts).unwrap();
        let hex = hex::encode(pseudonyms.value(0));
        assert_eq!(
            hex,
            "4e8accb463d66783f8c8cff0c9f20ff066c2d89c17970c8ebc38f0a3171ca85b"
        );
    }

    #[test]
    fn nothing_secret_is_printed() {
        let secret = ProjectSecret::new(Zeroizing::new([0xab; 32]));
        assert_eq!(format!("{secret:?}"), "ProjectSecret");
        let fingerprint = keys(1).fingerprint().to_owned();
        assert_eq!(
            format!("{:?}", keys(1)),
            format!("ProjectKeys {{ fingerprint: {fingerprint:?}, .. }}")
        );
        assert_ne!(fingerprint, keys(2).fingerprint());
    }
}
