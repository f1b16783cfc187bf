/* SPDX-License-Identifier: MIT
 *
 * ablation_layout.h: struct ablation_flow as ablation.S sees it. Read by C and by assembly.
 */
#ifndef ABLATION_LAYOUT_H
#define ABLATION_LAYOUT_H

#define ABLATION_SP          0  /* of the suspended flow */
#define ABLATION_LEFT        8  /* switches still to make */
#define ABLATION_FS_BASE     16
#define ABLATION_SIGNAL_MASK 24
#define ABLATION_AREA        64 /* XSAVE's, which wants 64-byte alignment */
#define ABLATION_AREA_BYTES  16384

#endif
