package training.lora.trainer.face;

import org.opencv.core.Point;
import org.opencv.core.Rect2d;

/**
 * A face that was found, in pixels of its picture.
 *
 * @param box from the brows to the chin
 * @param score how sure the detector is, from 0 to 1
 * @param rightEye the person's, which is on the left
 * @param leftEye the person's
 */
public record Face(Rect2d box, double score, Point rightEye, Point leftEye) {
    double area() {
        return box.width * box.height;
    }

    Point centre() {
        return new Point(box.x + box.width / 2, box.y + box.height / 2);
    }

    /** By how much the eyes' line is turned clockwise, in radians. */
    double angle() {
        return Math.atan2(leftEye.y - rightEye.y, leftEye.x - rightEye.x);
    }

    /** The area that two boxes share, by that of the smaller: a part of a picture may show half a face. */
    static double overlap(Rect2d p, Rect2d q) {
        double width = Math.min(p.x + p.width, q.x + q.width) - Math.max(p.x, q.x);
        double height = Math.min(p.y + p.height, q.y + q.height) - Math.max(p.y, q.y);
        double shared = Math.max(0, width) * Math.max(0, height);
        double smaller = Math.min(p.width * p.height, q.width * q.height);
        return smaller <= 0 ? 0 : shared / smaller;
    }
}
