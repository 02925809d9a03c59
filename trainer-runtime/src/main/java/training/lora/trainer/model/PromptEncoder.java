package training.lora.trainer.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import training.lora.api.ModelFamily;

/** The texts' way to the denoiser: a tokenizer and its encoder, or SDXL's two of each, side by side. */
public final class PromptEncoder implements AutoCloseable {
    private final List<Part> parts;

    /** A tokenizer and the encoder that reads what it makes. */
    private record Part(Tokenizer tokenizer, TextEncoder encoder) {}

    private PromptEncoder(List<Part> parts) {
        this.parts = parts;
    }

    /** Opens tokenizers and text encoders of a diffusers {@code folder}. */
    static PromptEncoder open(Path folder, ModelFamily family, NDManager parent) {
        return switch (family) {
            case SD15 -> new PromptEncoder(List.of(part(folder, "", TextEncoder.Role.Only, parent)));
            case SDXL ->
                new PromptEncoder(List.of(
                        part(folder, "", TextEncoder.Role.First, parent),
                        part(folder, "_2", TextEncoder.Role.Second, parent)));
        };
    }

    private static Part part(Path folder, String suffix, TextEncoder.Role role, NDManager parent) {
        return new Part(
                Tokenizer.open(folder.resolve("tokenizer" + suffix)),
                TextEncoder.open(folder.resolve("text_encoder" + suffix), role, parent));
    }

    /** Embeds {@code texts}; the result belongs to {@code scope}. */
    public TextEmbedding encode(NDManager scope, List<String> texts) {
        NDList contexts = new NDList();
        @Nullable NDArray pooled = null;
        for (Part part : parts) {
            TextEmbedding embedding = part.encoder()
                    .encode(
                            scope,
                            part.tokenizer().encode(texts),
                            part.tokenizer().end());
            contexts.add(embedding.context());
            pooled = embedding.pooled();
        }
        if (contexts.size() == 1) {
            return new TextEmbedding(contexts.get(0), pooled);
        }
        NDArray context = NDArrays.concat(contexts, 2); // (B, S, D1 + D2)
        context.attach(scope);
        contexts.close();
        return new TextEmbedding(context, pooled);
    }

    /** Whether {@code text} is longer than the encoders read, so that its end is lost. */
    public boolean cuts(String text) {
        return parts.stream().anyMatch(part -> part.tokenizer().encode(text).truncated());
    }

    @Override
    public void close() {
        parts.forEach(part -> {
            part.tokenizer().close();
            part.encoder().close();
        });
    }
}
