package training.lora.trainer.prepare.place;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import training.lora.api.CropMode;
import training.lora.api.PreparationSpec;
import training.lora.api.Reason;
import training.lora.api.Sizing;
import training.lora.api.UpscaleSource;
import training.lora.trainer.TrainerException;
import training.lora.trainer.prepare.picture.Item;
import training.lora.trainer.prepare.picture.Photo;
import training.lora.trainer.prepare.picture.PictureOptions;
import training.lora.trainer.prepare.picture.Reduction;
import training.lora.trainer.prepare.picture.UnreadablePictureException;

/** The way of sizing and cropping that a spec asks for. */
public final class Placements {
    private Placements() {}

    /** The resolutions that pictures are trained at; {@code own} is the model's. */
    public static List<Integer> resolutions(PreparationSpec spec, int own) {
        if (!spec.resolutions().isEmpty()) {
            return spec.resolutions().stream().distinct().toList();
        }
        Integer given = spec.resolution();
        return List.of(given != null ? given : own);
    }

    /**
     * That of {@code spec}.
     *
     * @param items all pictures, whose mean shape may be needed
     * @throws TrainerException InvalidConfiguration if no size is within the limits
     */
    public static Placement of(PreparationSpec spec, List<Integer> resolutions, List<Item> items) throws IOException {
        boolean salient = spec.crop() == CropMode.Salience;
        if (spec.sizing() == Sizing.CenterCrop && resolutions.size() == 1 && !salient) {
            return new CentreCrop(resolutions.get(0));
        }
        double ratio = spec.sizing() == Sizing.AverageAspect
                ? meanRatio(items, new PictureOptions(spec.background(), spec.maxPixels()))
                : 1;
        return new SizedCrop(
                resolutions.stream().map(r -> frames(spec, r, ratio)).toList(), salient);
    }

    private static Frames frames(PreparationSpec spec, int resolution, double ratio) {
        return switch (spec.sizing()) {
            case CenterCrop -> new Frames.One(Frame.square(resolution));
            case AverageAspect -> Frames.One.average(resolution, ratio);
            case Buckets -> buckets(spec, resolution);
        };
    }

    private static Frames buckets(PreparationSpec spec, int resolution) {
        Integer minimum = spec.buckets().minimumSide();
        Integer maximum = spec.buckets().maximumSide();
        int half = Math.max(Frame.UNIT, resolution / 2 / Frame.UNIT * Frame.UNIT);
        int least = minimum != null ? minimum : half;
        int most = maximum != null ? maximum : 2 * resolution;
        if (least > resolution || most < resolution) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "`spec.preparation.buckets` must have a minimumSide of at most and a maximumSide of at least the resolution %d, had %d and %d"
                            .formatted(resolution, least, most));
        }
        return Frames.Buckets.of(resolution, least, most, spec.upscale().source() != UpscaleSource.None);
    }

    /** The mean of width to height, of what can be read; what can't be is told of later. */
    private static double meanRatio(List<Item> items, PictureOptions options) throws IOException {
        try {
            return items.parallelStream()
                    .mapToDouble(item -> ratio(item, options))
                    .filter(ratio -> ratio > 0)
                    .average()
                    .orElse(1);
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
    }

    /** Of the picture as small as the decoder can make it: a header alone doesn't tell whether it can be read. */
    private static double ratio(Item item, PictureOptions options) {
        try (Photo photo = Photo.read(item.file(), options, (width, height) -> Reduction.MOST)) {
            return (double) photo.width() / photo.height();
        } catch (UnreadablePictureException e) {
            return 0;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
