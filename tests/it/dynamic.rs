//! Any method of the API by its name, requests and answers in JSON: what a client does that knows the API
//! by reflection alone.

use std::sync::OnceLock;

use bytes::{Buf, BufMut, Bytes};
use futures::StreamExt as _;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, SerializeOptions};
use serde_json::Value;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::suite::shared;

/// What the gateway serves, as its descriptors say.
pub(crate) fn pool() -> &'static DescriptorPool {
    static POOL: OnceLock<DescriptorPool> = OnceLock::new();
    POOL.get_or_init(|| DescriptorPool::decode(datacovey_proto::PUBLIC_DESCRIPTORS).unwrap())
}

/// Every public method, in the order of its name.
pub(crate) fn methods() -> Vec<MethodDescriptor> {
    let mut methods: Vec<_> = pool()
        .services()
        .flat_map(|it| it.methods().collect::<Vec<_>>())
        .collect();
    methods.sort_by_key(|it| it.full_name().to_owned());
    methods
}

pub(crate) fn method(service: &str, name: &str) -> MethodDescriptor {
    let service = pool().get_service_by_name(service).unwrap();
    let found = service.methods().find(|it| it.name() == name);
    found.unwrap_or_else(|| panic!("{service:?} has no {name}"))
}

/// A caller of the gateway.
#[derive(Clone)]
pub(crate) struct Caller {
    channel: Channel,
    token: String,
}

impl Caller {
    pub(crate) async fn new(token: String) -> Self {
        let gateway = Channel::from_shared(shared().gateway.clone()).unwrap();
        Self {
            channel: gateway.connect().await.unwrap(),
            token,
        }
    }

    /// The first answer to a request, whatever streams there are.
    pub(crate) async fn call(&self, method: &MethodDescriptor, request: Value) -> Result<Value, Status> {
        let text = request.to_string();
        let request = DynamicMessage::deserialize(method.input(), request)
            .unwrap_or_else(|error| panic!("{}: {error}: {text}", method.full_name()));
        let mut grpc = tonic::client::Grpc::new(self.channel.clone());
        grpc.ready().await.unwrap();
        let messages = futures::stream::iter([Bytes::from(request.encode_to_vec())]);
        let mut request = Request::new(messages);
        let bearer = format!("Bearer {}", self.token).parse().unwrap();
        request.metadata_mut().insert("authorization", bearer);
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        let answers = grpc.streaming(request, path.parse().unwrap(), RawCodec).await?;
        let answer = answers.into_inner().next().await.unwrap_or(Ok(Bytes::new()))?;
        let answer = DynamicMessage::decode(method.output(), answer).unwrap();
        let options = SerializeOptions::new()
            .skip_default_fields(false)
            .use_proto_field_name(true);
        let json = answer.serialize_with_options(serde_json::value::Serializer, &options);
        Ok(json.unwrap())
    }
}

/// Messages as they are.
#[derive(Clone, Copy, Debug, Default)]
struct RawCodec;

impl Codec for RawCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(item);
        Ok(())
    }
}

impl Decoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}
