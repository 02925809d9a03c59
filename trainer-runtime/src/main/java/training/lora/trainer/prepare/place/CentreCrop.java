package training.lora.trainer.prepare.place;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.opencv.core.Mat;
import training.lora.trainer.prepare.picture.Item;

/** Scales to cover a square of {@code side} pixels and takes its centre. */
public record CentreCrop(int side) implements Placement {
    @Override
    public List<Place> places(Item item, int width, int height, @Nullable Mat mask) {
        return List.of(place(width, height));
    }

    /** The place in a picture of that size. */
    public Place place(int width, int height) {
        double scale = (double) side / Math.min(width, height);
        int scaledWidth = Math.toIntExact(Math.max(side, Math.round(width * scale)));
        int scaledHeight = Math.toIntExact(Math.max(side, Math.round(height * scale)));
        return PlaceBuilder.builder()
                .scaledWidth(scaledWidth)
                .scaledHeight(scaledHeight)
                .left((scaledWidth - side) / 2)
                .top((scaledHeight - side) / 2)
                .width(side)
                .height(side)
                .build();
    }

    @Override
    public String key(Item item) {
        return "CentreCrop " + side;
    }

    @Override
    public boolean usesMask() {
        return false;
    }
}
