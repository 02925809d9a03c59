package training.lora.trainer.evaluate;

import ai.djl.ndarray.NDArray;
import training.lora.trainer.tensor.TorchScript;

/** Brings pictures to CLIP's size: the shortest edge scaled (bicubic, antialiased, as Pillow does), then the centre. */
final class ImageCrop {
    private ImageCrop() {}

    /** Pictures (B, 3, H, W) in [0, 1] as (B, 3, side, side) in their manager. */
    static NDArray toSquare(NDArray pictures, int side) {
        long height = pictures.getShape().get(2);
        long width = pictures.getShape().get(3);
        if (height == side && width == side) {
            return pictures;
        }
        long shortest = Math.min(height, width);
        long scaledHeight = height * side / shortest;
        long scaledWidth = width * side / shortest;
        long top = (scaledHeight - side) / 2;
        long left = (scaledWidth - side) / 2;
        return TorchScript.compile("x", """
                        y = torch.clamp(torch._upsample_bicubic2d_aa(x, [%d, %d], False, None, None), 0., 1.)
                        return torch.slice(torch.slice(y, 2, %d, %d), 3, %d, %d)
                        """.formatted(scaledHeight, scaledWidth, top, top + side, left, left + side))
                .call(pictures.getManager(), pictures);
    }
}
