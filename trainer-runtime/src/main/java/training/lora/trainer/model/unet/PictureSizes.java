package training.lora.trainer.model.unet;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.soabase.recordbuilder.core.RecordBuilder;
import java.util.List;

/**
 * What SDXL is told of a picture (Podell et al. 2023, section 2.2), in pixels.
 *
 * @param originalHeight of the picture as it came
 * @param originalWidth of the picture as it came
 * @param top first row of the crop, once the picture is scaled
 * @param left first column of the crop
 * @param height of what the network sees
 * @param width of what the network sees
 */
@RecordBuilder
public record PictureSizes(int originalHeight, int originalWidth, int top, int left, int height, int width) {
    /** A square picture that is neither scaled nor cropped: what is asked for when one is drawn. */
    public static PictureSizes square(int side) {
        return PictureSizesBuilder.builder()
                .originalHeight(side)
                .originalWidth(side)
                .top(0)
                .left(0)
                .height(side)
                .width(side)
                .build();
    }

    /** Time ids (B, 6) of B pictures. */
    public static NDArray timeIds(List<PictureSizes> pictures, NDManager scope) {
        float[] ids = new float[pictures.size() * UNetConfig.SIZES];
        int i = 0;
        for (PictureSizes p : pictures) {
            for (int value : new int[] {p.originalHeight, p.originalWidth, p.top, p.left, p.height, p.width}) {
                ids[i++] = value;
            }
        }
        return scope.create(ids, new Shape(pictures.size(), UNetConfig.SIZES));
    }
}
