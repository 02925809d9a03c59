package training.lora.trainer.evaluate;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import java.nio.file.Path;
import java.util.List;
import training.lora.trainer.model.Clip;
import training.lora.trainer.sample.Picture;

/** Embeds picture files by CLIP. One picture is in memory at a time, and of the others what CLIP sees of them. */
record PictureEmbedder(Clip clip, NDManager manager) {
    /** Pictures that CLIP sees at once. */
    private static final int BATCH = 16;

    /** Unit vectors (N, D) of picture files. */
    NDArray embed(List<Path> files) {
        NDList parts = new NDList();
        for (int i = 0; i < files.size(); i += BATCH) {
            try (NDManager scope = manager.newSubManager()) {
                NDArray part = clip.embedImages(seen(files.subList(i, Math.min(files.size(), i + BATCH)), scope));
                part.attach(manager);
                parts.add(part);
            }
        }
        NDArray all = NDArrays.concat(parts, 0);
        parts.close();
        return all;
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
