package training.lora.trainer.evaluate;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BiFunction;
import training.lora.trainer.model.text.Clip;
import training.lora.trainer.sample.Picture;

/**
 * Embeds picture files and texts by CLIP. One picture is in memory at a time, and of the others what CLIP sees of them.
 */
record ClipEmbedder(Clip clip, NDManager manager) {
    /** Pictures or texts that CLIP sees at once. */
    private static final int BATCH = 16;

    Embeddings pictures(List<Path> files) {
        return embed(files, (part, scope) -> clip.embedImages(seen(part, scope)));
    }

    Embeddings texts(List<String> texts) {
        return embed(texts, (part, scope) -> clip.embedTexts(scope, part));
    }

    private <T> Embeddings embed(List<T> all, BiFunction<List<T>, NDManager, NDArray> batch) {
        List<Embeddings> parts = new ArrayList<>();
        for (int i = 0; i < all.size(); i += BATCH) {
            try (NDManager scope = manager.newSubManager()) {
                parts.add(Embeddings.of(batch.apply(all.subList(i, Math.min(all.size(), i + BATCH)), scope)));
            }
        }
        return Embeddings.concat(parts);
    }

    /** What CLIP sees of pictures (B, 3, side, side), in {@code scope}. */
    private NDArray seen(List<Path> files, NDManager scope) {
        NDList squares = new NDList();
        for (Path file : files) {
            try (NDManager one = scope.newSubManager()) {
                NDArray pixels = Picture.toBatch(List.of(Picture.read(file)), one);
                NDArray square = ImageCrop.toSquare(pixels, clip.imageSize());
                square.attach(scope);
                squares.add(square);
            }
        }
        NDArray all = NDArrays.concat(squares, 0);
        all.attach(scope);
        squares.close();
        return all;
    }
}
