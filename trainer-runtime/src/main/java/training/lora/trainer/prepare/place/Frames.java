package training.lora.trainer.prepare.place;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/** Says what size pictures are brought to, at one resolution. */
sealed interface Frames {
    /** That of a picture of some size. */
    Frame of(int width, int height);

    /** One for all. */
    record One(Frame frame) implements Frames {
        /**
         * That of the mean ratio of width to height: {@code resolution} squared in area, to the nearest multiples of 64 (Eden's
         * trainer).
         */
        static One average(int resolution, double ratio) {
            return new One(new Frame(nearest(resolution * Math.sqrt(ratio)), nearest(resolution / Math.sqrt(ratio))));
        }

        private static int nearest(double side) {
            return (int) Math.max(1, Math.round(side / Frame.UNIT)) * Frame.UNIT;
        }

        @Override
        public Frame of(int width, int height) {
            return frame;
        }
    }

    /**
     * The nearest in shape of several: for each width the greatest height whose area is no larger than the resolution's square,
     * as kohya's trainer and Stable Diffusion XL have them.
     *
     * @param enlarging whether small pictures are enlarged to them; else each side is shortened to what the picture has
     */
    record Buckets(List<Frame> all, boolean enlarging) implements Frames {
        static Buckets of(int resolution, int minimumSide, int maximumSide, boolean enlarging) {
            List<Frame> all = new ArrayList<>();
            for (int width = minimumSide; width <= maximumSide; width += Frame.UNIT) {
                int most = resolution * resolution / width / Frame.UNIT * Frame.UNIT;
                int height = Math.min(maximumSide, most);
                if (height >= minimumSide) {
                    add(new Frame(width, height), all);
                    add(new Frame(height, width), all);
                }
            }
            all.sort(Comparator.comparingDouble(Frame::ratio));
            return new Buckets(List.copyOf(all), enlarging);
        }

        private static void add(Frame frame, List<Frame> all) {
            if (!all.contains(frame)) {
                all.add(frame);
            }
        }

        @Override
        public Frame of(int width, int height) {
            double ratio = (double) width / height;
            // Of two that are as near, the larger loses no more and shows more.
            Frame nearest = all.stream()
                    .min(Comparator.<Frame>comparingDouble(f -> Math.abs(Math.log(f.ratio() / ratio)))
                            .thenComparingInt(f -> -f.width() * f.height()))
                    .orElseThrow();
            return enlarging ? nearest : new Frame(within(nearest.width(), width), within(nearest.height(), height));
        }

        private static int within(int side, int pictureSide) {
            return Math.max(Frame.UNIT, Math.min(side, pictureSide / Frame.UNIT * Frame.UNIT));
        }
    }
}
