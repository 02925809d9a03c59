package training.lora.trainer.prepare.place;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.opencv.core.Mat;
import training.lora.trainer.prepare.picture.Item;

/** Scales pictures to cover a frame, at each of some resolutions, and takes the middle or what the mask shows. */
final class SizedCrop implements Placement {
    private final List<Frames> resolutions;
    private final boolean salient;

    /** @param salient whether crops look at masks */
    SizedCrop(List<Frames> resolutions, boolean salient) {
        this.resolutions = List.copyOf(resolutions);
        this.salient = salient;
    }

    @Override
    public List<Place> places(Item item, int width, int height, @Nullable Mat mask) {
        Salience salience = salient && mask != null ? Salience.of(mask) : Salience.MIDDLE;
        List<Place> places = new ArrayList<>();
        for (Frames frames : resolutions) {
            Place place = place(frames.of(width, height), width, height, salience);
            // A picture that is too small for the larger ones has one size at all of them.
            if (!places.contains(place)) {
                places.add(place);
            }
        }
        return places;
    }

    private static Place place(Frame frame, int width, int height, Salience salience) {
        double scale = frame.cover(width, height);
        int scaledWidth = Math.toIntExact(Math.max(frame.width(), Math.round(width * scale)));
        int scaledHeight = Math.toIntExact(Math.max(frame.height(), Math.round(height * scale)));
        return PlaceBuilder.builder()
                .scaledWidth(scaledWidth)
                .scaledHeight(scaledHeight)
                .left(salience.across().begin(scaledWidth, frame.width()))
                .top(salience.down().begin(scaledHeight, frame.height()))
                .width(frame.width())
                .height(frame.height())
                .build();
    }

    @Override
    public String key(Item item) {
        return "SizedCrop " + resolutions + (salient ? " by masks" : "");
    }

    @Override
    public boolean usesMask() {
        return salient;
    }
}
