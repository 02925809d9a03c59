package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * What {@code kubectl create secret} and {@code kubectl create configmap} send, which know no JSON: the fields that such a
 * command fills, by their numbers in Kubernetes' generated.proto.
 */
final class Protobuf {
    static final String TYPE = "application/vnd.kubernetes.protobuf";

    private static final byte[] MAGIC = {'k', '8', 's', 0};
    private static final int LENGTH_DELIMITED = 2;

    private record Field(int number, ByteBuffer value) {
        String text() {
            return StandardCharsets.UTF_8.decode(value.duplicate()).toString();
        }

        String base64() {
            return StandardCharsets.ISO_8859_1
                    .decode(Base64.getEncoder().encode(value.duplicate()))
                    .toString();
        }
    }

    private Protobuf() {}

    /** @throws ApiException 415 for any other kind, 400 for what is cut off */
    static ObjectNode read(byte[] body) {
        ObjectNode object = JsonNodeFactory.instance.objectNode();
        try {
            ByteBuffer buffer = ByteBuffer.wrap(body);
            byte[] magic = new byte[MAGIC.length];
            buffer.get(magic);
            if (!Arrays.equals(magic, MAGIC)) {
                throw ApiException.badRequest("the body can't be parsed: it doesn't begin as Kubernetes' protobuf");
            }
            fields(buffer, unknown -> {
                if (unknown.number == 1) {
                    fields(unknown.value, f -> object.put(f.number == 1 ? "apiVersion" : "kind", f.text()));
                } else if (unknown.number == 2) {
                    fields(unknown.value, f -> field(object, f));
                }
            });
        } catch (BufferUnderflowException | IllegalArgumentException e) {
            throw ApiException.badRequest("the body can't be parsed: it is cut off");
        }
        return object;
    }

    private static void field(ObjectNode object, Field field) {
        boolean secret = object.path("kind").asText().equals("Secret");
        if (!secret && !object.path("kind").asText().equals("ConfigMap")) {
            throw ApiException.unsupportedMediaType(TYPE, "it takes JSON alone, but for Secrets and ConfigMaps");
        }
        switch (field.number) {
            case 1 -> fields(field.value, f -> metadata(object.withObject("/metadata"), f));
            case 2 -> entry(object.withObject("/data"), field, secret ? Field::base64 : Field::text);
            case 3 -> {
                if (secret) {
                    object.put("type", field.text());
                } else {
                    entry(object.withObject("/binaryData"), field, Field::base64);
                }
            }
            case 4 -> entry(object.withObject("/stringData"), field, Field::text);
            default -> {}
        }
    }

    private static void metadata(ObjectNode metadata, Field field) {
        switch (field.number) {
            case 1 -> metadata.put("name", field.text());
            case 3 -> metadata.put("namespace", field.text());
            case 11 -> entry(metadata.withObject("/labels"), field, Field::text);
            case 12 -> entry(metadata.withObject("/annotations"), field, Field::text);
            default -> {}
        }
        if (metadata.path("namespace").asText("-").isEmpty()) {
            metadata.remove("namespace");
        }
    }

    private static void entry(ObjectNode map, Field entry, Function<Field, String> value) {
        String[] pair = {"", ""};
        fields(entry.value, f -> pair[f.number - 1] = f.number == 1 ? f.text() : value.apply(f));
        map.put(pair[0], pair[1]);
    }

    /** The fields that have a length; numbers are passed over. */
    private static void fields(ByteBuffer message, Consumer<Field> each) {
        ByteBuffer rest = message.duplicate();
        while (rest.hasRemaining()) {
            int tag = (int) varint(rest);
            if ((tag & 7) == LENGTH_DELIMITED) {
                int length = (int) varint(rest);
                each.accept(new Field(tag >>> 3, rest.slice(rest.position(), length)));
                rest.position(rest.position() + length);
            } else {
                varint(rest);
            }
        }
    }

    private static long varint(ByteBuffer bytes) {
        long value = 0;
        for (int shift = 0; ; shift += 7) {
            byte next = bytes.get();
            value |= (long) (next & 0x7f) << shift;
            if (next >= 0) {
                return value;
            }
        }
    }
}
